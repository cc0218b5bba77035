// A gated norm and the attention that reads it: what tests of a function's launches compile.
func.func @block(%x: tensor<?x?x64xf16>, %r: tensor<?x?x64xf16>,
                 %m: tensor<?x1x1x?xi1, #onnx.dims<"", "", "", "keys">>,
                 %kv: tensor<?x?x2x32xf16, #onnx.dims<"", "keys", "", "">>,
                 %down: tensor<64x8xf16>, %up: tensor<8x64xf16>)
    -> (tensor<?x?x64xf16>, tensor<?x?x64xf16>, tensor<?x?x64xf16>) {
  %n, %s = sink.rms_norm %x residual %r {epsilon = 1.0e-5}
    : (tensor<?x?x64xf16>, tensor<?x?x64xf16>) -> (tensor<?x?x64xf16>, tensor<?x?x64xf16>)
  %y = sink.gate %n down %down up %up
    : (tensor<?x?x64xf16>, tensor<64x8xf16>, tensor<8x64xf16>) -> tensor<?x?x64xf16>
  %a = sink.attention %y, %kv, %kv mask %m {num_heads = 2 : i64, kv_num_heads = 2 : i64,
      mask_kind = #sink.mask_kind<keep>, query_layout = #sink.layout<bsd>,
      key_layout = #sink.layout<bshd>, value_layout = #sink.layout<bshd>,
      result_layout = #sink.layout<bsd>}
    : (tensor<?x?x64xf16>, tensor<?x?x2x32xf16, #onnx.dims<"", "keys", "", "">>,
       tensor<?x?x2x32xf16, #onnx.dims<"", "keys", "", "">>,
       tensor<?x1x1x?xi1, #onnx.dims<"", "", "", "keys">>) -> tensor<?x?x64xf16>
  return %a, %s, %y : tensor<?x?x64xf16>, tensor<?x?x64xf16>, tensor<?x?x64xf16>
}
