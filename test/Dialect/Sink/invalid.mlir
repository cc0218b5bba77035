// RUN: basin-opt %s --split-input-file --verify-diagnostics

// parameter_c1
func.func @parameter_c1() {
  // expected-error @below {{expected a value of type 'tensor<2xf32>', but got dense<1.000000e+00> : tensor<3xf32>}}
  %0 = sink.parameter "p" : tensor<2xf32> = dense<1.0> : tensor<3xf32>
  return
}

// -----

// rms_norm_c1
func.func @rms_norm_c1(%x: tensor<?x8xf32>, %r: tensor<?x4xf32>) {
  // expected-error @below {{expected a residual of the shape of 'tensor<?x8xf32>', but got 'tensor<?x4xf32>'}}
  %0 = sink.rms_norm %x residual %r {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// rms_norm_c2
func.func @rms_norm_c2(%x: tensor<?x8xf32>, %w: tensor<4xf32>) {
  // expected-error @below {{expected a pre_affine of 8 elements, but got 4}}
  %0 = sink.rms_norm %x pre_affine %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// rms_norm_c3
func.func @rms_norm_c3(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected a residual operand with a sum result}}
  %0:2 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>)
  return
}

// -----

// rms_norm_c1, of the result
func.func @rms_norm_c1_result(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected a result of the shape of 'tensor<?x8xf32>', but got 'tensor<?x4xf32>'}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> tensor<?x4xf32>
  return
}

// -----

// rms_norm_c1, of the sum
func.func @rms_norm_c1_sum(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected a sum of the shape of 'tensor<?x8xf32>', but got 'tensor<?x4xf32>'}}
  %0:2 = sink.rms_norm %x residual %x {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x4xf32>)
  return
}

// -----

// rms_norm_c1, of the rank
func.func @rms_norm_c1_rank(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected a result of the shape of 'tensor<?x8xf32>', but got 'tensor<?x1x8xf32>'}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> tensor<?x1x8xf32>
  return
}

// -----

// rms_norm_c2, of the weight
func.func @rms_norm_c2_weight(%x: tensor<?x8xf32>, %w: tensor<4xf32>) {
  // expected-error @below {{expected a weight of 8 elements, but got 4}}
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// layer_norm_c1
func.func @layer_norm_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected a result of the shape of 'tensor<?x8xf32>', but got 'tensor<?x4xf32>'}}
  %0 = sink.layer_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> tensor<?x4xf32>
  return
}

// -----

// layer_norm_c2
func.func @layer_norm_c2(%x: tensor<?x8xf32>, %b: tensor<3xf32>) {
  // expected-error @below {{expected a bias of 8 elements, but got 3}}
  %0 = sink.layer_norm %x bias %b {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<3xf32>) -> tensor<?x8xf32>
  return
}

// -----

// layer_norm_c3
func.func @layer_norm_c3(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected a residual operand with a sum result}}
  %0:2 = sink.layer_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>)
  return
}

// -----

// layer_norm_c1, of the residual
func.func @layer_norm_c1_residual(%x: tensor<?x8xf32>, %r: tensor<?x4xf32>) {
  // expected-error @below {{expected a residual of the shape of 'tensor<?x8xf32>', but got 'tensor<?x4xf32>'}}
  %0 = sink.layer_norm %x residual %r {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// layer_norm_c2, of the pre_affine
func.func @layer_norm_c2_pre_affine(%x: tensor<?x8xf32>, %w: tensor<4xf32>) {
  // expected-error @below {{expected a pre_affine of 8 elements, but got 4}}
  %0 = sink.layer_norm %x pre_affine %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// layer_norm_c1, of the sum
func.func @layer_norm_c1_sum(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected a sum of the shape of 'tensor<?x8xf32>', but got 'tensor<?x4xf32>'}}
  %0:2 = sink.layer_norm %x residual %x {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x4xf32>)
  return
}

// -----

// layer_norm_c1, of the rank
func.func @layer_norm_c1_rank(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected a result of the shape of 'tensor<?x8xf32>', but got 'tensor<?x1x8xf32>'}}
  %0 = sink.layer_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> tensor<?x1x8xf32>
  return
}

// -----

// layer_norm_c2, of the weight
func.func @layer_norm_c2_weight(%x: tensor<?x8xf32>, %w: tensor<4xf32>) {
  // expected-error @below {{expected a weight of 8 elements, but got 4}}
  %0 = sink.layer_norm %x weight %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// A form of a norm takes x alone unless there is a residual.
func.func @form_arguments(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected its form to take 1 arguments, but got 0}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    sink.yield %x : tensor<?x8xf32>
  }
  return
}

// -----

// form_c3
func.func @form_results(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected its form to yield 1 values, but got 2}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    sink.yield %a, %a : tensor<?x8xf32>, tensor<?x8xf32>
  }
  return
}

// -----

// form_c1
func.func @form_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected its form to end in 'sink.yield'}}
  %0 = sink.rotary %x cos %x sin %x {layout = #sink.layout<bsd>} : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    onnx.return %a : tensor<?x8xf32>
  }
  return
}

// -----

// form_c2
func.func @form_c2(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{expected its form to take at most 3 arguments, but got 4}}
  %0 = sink.rotary %x cos %x sin %x {layout = #sink.layout<bsd>} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  ^bb0(%a: tensor<?x?x8xf32>, %b: tensor<?x?x8xf32>, %c: tensor<?x?x8xf32>, %d: tensor<?x?x8xf32>):
    sink.yield %a : tensor<?x?x8xf32>
  }
  return
}

// -----

// form_c2, of the types
func.func @form_c2_types(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected argument 0 of its form to be 'tensor<?x8xf32>', but got 'tensor<?x4xf32>'}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x4xf32>):
    sink.yield %x : tensor<?x8xf32>
  }
  return
}

// -----

// form_c3, of the types: a shape or an element type that the result has not
func.func @form_c3_types(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected value 0 of its form to be 'tensor<?x8xf32>', but got 'tensor<?x8xf16>'}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %c = onnx.Cast(%a) {to = 10} : (tensor<?x8xf32>) -> tensor<?x8xf16>
    sink.yield %c : tensor<?x8xf16>
  }
  return
}

// -----

// dyt_c1
func.func @dyt_c1(%x: tensor<?x8xf32>, %a: tensor<1xf32>, %v: tensor<8xf32>) {
  // expected-error @below {{expected a result of the shape of 'tensor<?x8xf32>', but got 'tensor<?x4xf32>'}}
  %0 = sink.dyt %x alpha %a gamma %v : (tensor<?x8xf32>, tensor<1xf32>, tensor<8xf32>) -> tensor<?x4xf32>
  return
}

// -----

// dyt_c2
func.func @dyt_c2(%x: tensor<?x8xf32>, %v: tensor<8xf32>) {
  // expected-error @below {{expected an alpha of 1 element, but got 8}}
  %0 = sink.dyt %x alpha %v gamma %v : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// dyt_c2, of shift
func.func @dyt_c2_shift(%x: tensor<?x8xf32>, %a: tensor<1xf32>, %v: tensor<8xf32>) {
  // expected-error @below {{expected a shift of 1 element, but got 8}}
  %0 = sink.dyt %x alpha %a gamma %v shift %v : (tensor<?x8xf32>, tensor<1xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// dyt_c3
func.func @dyt_c3(%x: tensor<?x8xf32>, %a: tensor<1xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{expected a gamma of 8 elements, but got 4}}
  %0 = sink.dyt %x alpha %a gamma %v : (tensor<?x8xf32>, tensor<1xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// dyt_c3, of beta
func.func @dyt_c3_beta(%x: tensor<?x8xf32>, %a: tensor<1xf32>, %g: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{expected a beta of 8 elements, but got 4}}
  %0 = sink.dyt %x alpha %a gamma %g beta %v : (tensor<?x8xf32>, tensor<1xf32>, tensor<8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// dyt_c4
func.func @dyt_c4(%x: tensor<?x8xf32>, %a: tensor<1xf32>, %v: tensor<8xf32>) {
  // expected-error @below {{expected its form to take 1 arguments, but got 2}}
  %0 = sink.dyt %x alpha %a gamma %v : (tensor<?x8xf32>, tensor<1xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
  ^bb0(%b: tensor<?x8xf32>, %c: tensor<1xf32>):
    sink.yield %b : tensor<?x8xf32>
  }
  return
}

// -----

// gate_c4
func.func @gate_c4_down(%x: tensor<?x8xf32>, %d: tensor<8x2xf32>, %u: tensor<2x8xf32>, %b: tensor<8xf32>) {
  // expected-error @below {{expected a bias_down of 2 elements, but got 8}}
  %0 = sink.gate %x down %d up %u bias_down %b : (tensor<?x8xf32>, tensor<8x2xf32>, tensor<2x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// gate_c4, of the tensorwise score
func.func @gate_c4_up(%x: tensor<?x8xf32>, %d: tensor<8x2xf32>, %u: tensor<2x1xf32>, %b: tensor<8xf32>) {
  // expected-error @below {{expected a bias_up of 1 elements, but got 8}}
  %0 = sink.gate %x down %d up %u bias_up %b : (tensor<?x8xf32>, tensor<8x2xf32>, tensor<2x1xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// gate_c1
func.func @gate_c1(%x: tensor<?x8xf32>, %d: tensor<8x2xf32>, %u: tensor<2x3xf32>) {
  // expected-error @below {{expected w_down [d, r] and w_up [r, d] or [r, 1] with d = 8}}
  %0 = sink.gate %x down %d up %u : (tensor<?x8xf32>, tensor<8x2xf32>, tensor<2x3xf32>) -> tensor<?x8xf32>
  return
}

// -----

// gate_c1, of the ranks
func.func @gate_c1_rank(%x: tensor<?x8xf32>, %d: tensor<8xf32>, %u: tensor<2x8xf32>) {
  // expected-error @below {{expected matrices of rank 2, but got 'tensor<8xf32>' and 'tensor<2x8xf32>'}}
  %0 = sink.gate %x down %d up %u : (tensor<?x8xf32>, tensor<8xf32>, tensor<2x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// gate_c3
func.func @gate_c3(%x: tensor<?x8xf32>, %d: tensor<8x2xf32>, %u: tensor<2x8xf32>) {
  // expected-error @below {{expected its form to take 1 arguments, but got 2}}
  %0 = sink.gate %x down %d up %u : (tensor<?x8xf32>, tensor<8x2xf32>, tensor<2x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%b: tensor<?x8xf32>, %c: tensor<8x2xf32>):
    sink.yield %b : tensor<?x8xf32>
  }
  return
}

// -----

// form_c3, of a gate
func.func @gate_form_type(%x: tensor<?x8xf32>, %d: tensor<8x2xf32>, %u: tensor<2x8xf32>) {
  // expected-error @below {{expected value 0 of its form to be 'tensor<?x8xf32>', but got 'tensor<?x8xf16>'}}
  %0 = sink.gate %x down %d up %u : (tensor<?x8xf32>, tensor<8x2xf32>, tensor<2x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%b: tensor<?x8xf32>):
    %c = onnx.Cast(%b) {to = 10} : (tensor<?x8xf32>) -> tensor<?x8xf16>
    sink.yield %c : tensor<?x8xf16>
  }
  return
}

// -----

// gate_c2
func.func @gate_c2(%x: tensor<?x8xf32>, %d: tensor<8x2xf32>, %u: tensor<2x8xf32>) {
  // expected-error @below {{expected a result of the shape of 'tensor<?x8xf32>', but got 'tensor<?x4xf32>'}}
  %0 = sink.gate %x down %d up %u : (tensor<?x8xf32>, tensor<8x2xf32>, tensor<2x8xf32>) -> tensor<?x4xf32>
  return
}

// -----

// rotary_c1
func.func @rotary_c1(%x: tensor<?x2x?x8xf32>, %t: tensor<?x8xf32>) {
  // expected-error @below {{expected a result of the shape of 'tensor<?x2x?x8xf32>', but got 'tensor<?x2x?x4xf32>'}}
  %0 = sink.rotary %x cos %t sin %t {layout = #sink.layout<bhsd>} : (tensor<?x2x?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x2x?x4xf32>
  return
}

// -----

// rotary_c2
func.func @rotary_c2(%x: tensor<?x2x?x8xf32>, %t: tensor<?x8xf32>) {
  // expected-error @below {{expected an even rotary_dim of at most 8, but got 10}}
  %0 = sink.rotary %x cos %t sin %t {layout = #sink.layout<bhsd>, rotary_dim = 10 : i64} : (tensor<?x2x?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x2x?x8xf32>
  return
}

// -----

// rotary_c2, of heads in one axis
func.func @rotary_c2_heads(%x: tensor<?x?x16xf32>, %t: tensor<?x8xf32>) {
  // expected-error @below {{expected an even rotary_dim of at most 8, but got 10}}
  %0 = sink.rotary %x cos %t sin %t {layout = #sink.layout<bsd>, num_heads = 2 : i64, rotary_dim = 10 : i64} : (tensor<?x?x16xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x?x16xf32>
  return
}

// -----

// rotary_c2, of an unknown head dim
func.func @rotary_c2_odd(%x: tensor<*xf32>, %t: tensor<?x8xf32>) {
  // expected-error @below {{expected an even rotary_dim, but got 3}}
  %0 = sink.rotary %x cos %t sin %t {layout = #sink.layout<bhsd>, rotary_dim = 3 : i64} : (tensor<*xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<*xf32>
  return
}

// -----

// rotary_c3
func.func @rotary_c3(%x: tensor<?x?x16xf32>, %t: tensor<?x8xf32>) {
  // expected-error @below {{expected an x of rank 4 in layout bhsd, but got 'tensor<?x?x16xf32>'}}
  %0 = sink.rotary %x cos %t sin %t {layout = #sink.layout<bhsd>} : (tensor<?x?x16xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x?x16xf32>
  return
}

// -----

// rotary_c3, of heads
func.func @rotary_c3_heads(%x: tensor<?x?x16xf32>, %t: tensor<?x8xf32>) {
  // expected-error @below {{expected a last axis that divides by 3 heads, but got 16}}
  %0 = sink.rotary %x cos %t sin %t {layout = #sink.layout<bsd>, num_heads = 3 : i64} : (tensor<?x?x16xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x?x16xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c1
func.func @attention_c1(%q: tensor<?x4x?x8xf32>) {
  // expected-error @below {{expected num_heads to be a multiple of kv_num_heads, but got 4 and 3}}
  %0 = sink.attention %q, %q, %q {num_heads = 4 : i64, kv_num_heads = 3 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c2
func.func @attention_c2(%q: tensor<?x4x?x8xf32>, %l: tensor<3xf32>) {
  // expected-error @below {{expected a sink logit for each of 4 heads, but got 3}}
  %0 = sink.attention %q, %q, %q sink_logit %l {num_heads = 4 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<3xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c3: the custom syntax writes both, the generic one may not
func.func @attention_c3(%q: tensor<?x4x?x8xf32>) {
  // expected-error @below {{expected both of past_key and past_value or neither}}
  %0 = "sink.attention"(%q, %q, %q, %q) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b}> ({}) : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c4
func.func @attention_c4(%q: tensor<?x4x?x8xf32>, %m: tensor<?x?xf32>) {
  // expected-error @below {{expected mask_kind if and only if there is a mask}}
  %0 = sink.attention %q, %q, %q mask %m {query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x?xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c3, of the sinks
func.func @attention_c3_sinks(%q: tensor<?x4x?x8xf32>, %s: tensor<4x1x8xf32>) {
  // expected-error @below {{expected both of sink_key and sink_value or neither}}
  %0 = "sink.attention"(%q, %q, %q, %s) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b}> ({}) : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<4x1x8xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c4, without a mask
func.func @attention_c4_no_mask(%q: tensor<?x4x?x8xf32>) {
  // expected-error @below {{expected mask_kind if and only if there is a mask}}
  %0 = sink.attention %q, %q, %q {mask_kind = #sink.mask_kind<keep>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c10
func.func @attention_c10(%q: tensor<?x4x?x8xf32>, %m: tensor<?x?xi1>) {
  // expected-error@+1 {{expected causal_in_mask only with causal and a mask}}
  %0 = sink.attention %q, %q, %q mask %m {causal_in_mask, mask_kind = #sink.mask_kind<keep>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x?xi1>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>

// attention_c11: a summand has its own numbers
func.func @attention_c11(%q: tensor<?x4x?x8xf32>, %m: tensor<?x?xf32>) {
  // expected-error@+1 {{expected a finite mask_fill only with a mask of kind keep or drop, or beside causal or window with a mask}}
  %0 = sink.attention %q, %q, %q mask %m {mask_fill = -1.0e4 : f64, mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x?xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>

// attention_c5
func.func @attention_c5(%q: tensor<?x4x?x8xf32>) {
  // expected-error @below {{expected a present key and value after the output, but got 1 more results}}
  %0:2 = sink.attention %q, %q, %q {has_present, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>)
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c6
func.func @attention_c6(%q: tensor<?x4x?x8xf32>, %x: tensor<?x?x8xf32>) {
  // expected-error @below {{expected a query of rank 4 in layout bhsd, but got 'tensor<?x?x8xf32>'}}
  %0 = sink.attention %x, %q, %q {query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c6, of the key
func.func @attention_c6_key(%q: tensor<?x4x?x8xf32>, %x: tensor<?x?x8xf32>) {
  // expected-error @below {{expected a key of rank 4 in layout bhsd, but got 'tensor<?x?x8xf32>'}}
  %0 = sink.attention %q, %x, %q {query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c6, of the value
func.func @attention_c6_value(%q: tensor<?x4x?x8xf32>) {
  // expected-error @below {{expected a value of rank 3 in layout bsd, but got 'tensor<?x4x?x8xf32>'}}
  %0 = sink.attention %q, %q, %q {query_layout = #b, key_layout = #b, value_layout = #sink.layout<bsd>, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c7: the last axis is the value's head dim
func.func @attention_c7(%q: tensor<?x4x?x8xf32>, %v: tensor<?x4x?x6xf32>) {
  // expected-error @below {{expected result 0 to be 'tensor<?x4x?x6xf32>', but got 'tensor<?x4x?x8xf32>'}}
  %0 = sink.attention %q, %q, %v {query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x6xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c7, of the result's layout
func.func @attention_c7_rank(%q: tensor<?x4x?x8xf32>) {
  // expected-error @below {{expected result 0 to be 'tensor<?x?x32xf32>', but got 'tensor<?x4x?x8xf32>'}}
  %0 = sink.attention %q, %q, %q {query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #sink.layout<bsd>} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c7, of the present key
func.func @attention_c7_present(%q: tensor<?x4x?x8xf32>, %k: tensor<?x4x1x8xf32>, %p: tensor<?x4x6x8xf32>) {
  // expected-error @below {{expected result 1 to be 'tensor<?x4x7x8xf32>', but got 'tensor<?x4x6x8xf32>'}}
  %0:3 = sink.attention %q, %k, %k past %p, %p {has_present, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x1x8xf32>, tensor<?x4x1x8xf32>, tensor<?x4x6x8xf32>, tensor<?x4x6x8xf32>) -> (tensor<?x4x?x8xf32>, tensor<?x4x6x8xf32>, tensor<?x4x7x8xf32>)
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c8: the result would be broadcast to the gate
func.func @attention_c8(%q: tensor<?x4x?x8xf32>, %g: tensor<3x?x4x?x8xf32>) {
  // expected-error @below {{expected a gate that is broadcast to 'tensor<?x4x?x8xf32>', but got 'tensor<3x?x4x?x8xf32>'}}
  %0 = sink.attention %q, %q, %q gate %g {query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<3x?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c8, of the sizes: four scores for two elements
func.func @attention_c8_size(%q: tensor<?x4x?x2xf32>, %g: tensor<?x4x?x4xf32>) {
  // expected-error @below {{expected a gate that is broadcast to 'tensor<?x4x?x2xf32>', but got 'tensor<?x4x?x4xf32>'}}
  %0 = sink.attention %q, %q, %q gate %g {query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x2xf32>, tensor<?x4x?x2xf32>, tensor<?x4x?x2xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x2xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c9: the form multiplies by what the op does not name
func.func @attention_c9(%q: tensor<?x4x?x8xf32>, %g: tensor<?x4x?x8xf32>) {
  %0 = sink.attention %q, %q, %q {query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32> {
  ^bb0(%a: tensor<?x4x?x8xf32>):
    // expected-error @below {{has the attribute sink.slot = #sink.slot<gate>: expected an onnx.Mul in the form of attention with a gate operand}}
    %r = onnx.Mul(%a, %g) {sink.slot = #sink.slot<gate>} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
    sink.yield %r : tensor<?x4x?x8xf32>
  }
  return
}

// -----

// A slot of another kind of op.
func.func @slot_of_another_op(%x: tensor<2x8xf32>, %w: tensor<8xf32>) {
  %0 = sink.rms_norm %x pre_affine %w {epsilon = 1.0e-5 : f64} : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32> {
  ^bb0(%a: tensor<2x8xf32>):
    // expected-error @below {{has the attribute sink.slot = #sink.slot<pre_affine>: expected an onnx.Mul in the form of a norm with a pre_affine operand}}
    %r = onnx.Add(%a, %w) {sink.slot = #sink.slot<pre_affine>} : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    sink.yield %r : tensor<2x8xf32>
  }
  return
}

// -----

// The product with a vector that the op does not have.
func.func @slot_without_operand(%x: tensor<2x8xf32>, %w: tensor<8xf32>) {
  %0 = sink.rms_norm %x {epsilon = 1.0e-5 : f64} : (tensor<2x8xf32>) -> tensor<2x8xf32> {
  ^bb0(%a: tensor<2x8xf32>):
    // expected-error @below {{expected an onnx.Mul in the form of a norm with a pre_affine operand}}
    %r = onnx.Mul(%a, %w) {sink.slot = #sink.slot<pre_affine>} : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    sink.yield %r : tensor<2x8xf32>
  }
  return
}

// -----

// Two ops in one slot.
func.func @slot_taken_twice(%x: tensor<2x8xf32>, %e: tensor<f32>) {
  %0 = sink.rms_norm %x {epsilon = 1.0e-5 : f64} : (tensor<2x8xf32>) -> tensor<2x8xf32> {
  ^bb0(%a: tensor<2x8xf32>):
    %s = onnx.Add(%a, %e) {sink.slot = #sink.slot<epsilon>} : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
    // expected-error @below {{expected one op in that slot}}
    %r = onnx.Add(%s, %e) {sink.slot = #sink.slot<epsilon>} : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
    sink.yield %r : tensor<2x8xf32>
  }
  return
}

// -----

// An epsilon of something that is no norm.
func.func @slot_outside_norm(%x: tensor<2x8xf32>, %d: tensor<8x2xf32>, %u: tensor<2x8xf32>) {
  %0 = sink.gate %x down %d up %u : (tensor<2x8xf32>, tensor<8x2xf32>, tensor<2x8xf32>) -> tensor<2x8xf32> {
  ^bb0(%a: tensor<2x8xf32>):
    // expected-error @below {{expected an onnx.Add in the form of a norm}}
    %r = onnx.Add(%a, %a) {sink.slot = #sink.slot<epsilon>} : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
    sink.yield %r : tensor<2x8xf32>
  }
  return
}

// -----

// A slot that is none.
func.func @slot_of_no_kind(%x: tensor<2x8xf32>) {
  %0 = sink.rms_norm %x {epsilon = 1.0e-5 : f64} : (tensor<2x8xf32>) -> tensor<2x8xf32> {
  ^bb0(%a: tensor<2x8xf32>):
    // expected-error @below {{has the attribute sink.slot = "epsilon": expected a #sink.slot}}
    %r = onnx.Add(%a, %a) {sink.slot = "epsilon"} : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
    sink.yield %r : tensor<2x8xf32>
  }
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c10, of windows
func.func @attention_c10_window(%q: tensor<?x4x?x8xf32>, %m: tensor<?x?xf32>) {
  // expected-error@+1 {{expected window_in_mask only with a window and a mask or a bias}}
  %0 = sink.attention %q, %q, %q mask %m {window_in_mask, mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x?xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c12
func.func @attention_c12(%q: tensor<?x4x?x8xf32>, %m: tensor<?x?xf32>) {
  // expected-error@+1 {{expected bias_scale only with a bias, and bias_after_mask only with a bias and a mask}}
  %0 = sink.attention %q, %q, %q mask %m {bias_scale = 2.0 : f64, mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x?xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c12, without a mask
func.func @attention_c12_order(%q: tensor<?x4x?x8xf32>, %m: tensor<?x?xf32>) {
  // expected-error@+1 {{expected bias_scale only with a bias, and bias_after_mask only with a bias and a mask}}
  %0 = sink.attention %q, %q, %q bias %m {bias_after_mask, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x?xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c13
func.func @attention_c13(%q: tensor<?x4x?x8xf32>, %m: tensor<?x?xi1>) {
  // expected-error@+1 {{expected mask_scale only with an additive mask}}
  %0 = sink.attention %q, %q, %q mask %m {mask_scale = 2.0 : f64, mask_kind = #sink.mask_kind<keep>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x?xi1>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c14
func.func @attention_c14(%q: tensor<?x4x?x8xf32>, %s: tensor<3x1x1xf32>) {
  // expected-error@+1 {{expected a score_factor that is broadcast to scores of 4 heads, but got 'tensor<3x1x1xf32>'}}
  %0 = sink.attention %q, %q, %q score_factor %s {num_heads = 4 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<3x1x1xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

// rotary_c4
func.func @rotary_c4(%x: tensor<?x4x?x8xf32>, %t: tensor<?x8xf32>) {
  // expected-error@+1 {{expected deinterleaves only with interleaved and tables of half width}}
  %0 = sink.rotary %x cos %t sin %t {deinterleaves, interleaved, layout = #sink.layout<bhsd>} : (tensor<?x4x?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

// rotary_c5
func.func @rotary_c5(%x: tensor<?x4x?x8xf32>, %t: tensor<?x4xf32>) {
  // expected-error@+1 {{expected an offset only with rotary_dim, and both together at most the head dim}}
  %0 = sink.rotary %x cos %t sin %t {rotary_dim = 4 : i64, offset = 6 : i64, layout = #sink.layout<bhsd>} : (tensor<?x4x?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4x?x8xf32>
  return
}
