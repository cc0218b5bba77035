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

// A form of a norm takes x alone unless there is a residual.
func.func @form_arguments(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected its form to take 1 arguments, but got 0}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    sink.yield %x : tensor<?x8xf32>
  }
  return
}

// -----

// A form gives each result.
func.func @form_results(%x: tensor<?x8xf32>) {
  // expected-error @below {{expected its form to yield 1 values, but got 2}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    sink.yield %a, %a : tensor<?x8xf32>, tensor<?x8xf32>
  }
  return
}

// -----

// dyt: one alpha for all.
func.func @dyt_alpha(%x: tensor<?x8xf32>, %v: tensor<8xf32>) {
  // expected-error @below {{expected an alpha of 1 element, but got 8}}
  %0 = sink.dyt %x alpha %v gamma %v : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
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
  %0 = "sink.attention"(%q, %q, %q, %q) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 0, 0, 0, 0, 0>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b}> ({}) : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

#b = #sink.layout<bhsd>
// attention_c4
func.func @attention_c4(%q: tensor<?x4x?x8xf32>, %m: tensor<?x?xf32>) {
  // expected-error @below {{expected mask_kind exactly with a mask}}
  %0 = sink.attention %q, %q, %q mask %m {query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x?xf32>) -> tensor<?x4x?x8xf32>
  return
}
