// RUN: basin-opt %s --convert-sink-to-gpu --split-input-file --verify-diagnostics

// A kernel for attention that is not quite what kernels do is refused, with the reason.
func.func @wide(%q: tensor<1x4x8x64xf32>, %k: tensor<1x4x8x64xf32>, %v: tensor<1x4x8x64xf32>) -> tensor<1x4x8x64xf32> {
  // expected-error @below {{expected bf16 or f16 as the type}}
  %0 = sink.attention %q, %k, %v {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf32>, tensor<1x4x8x64xf32>, tensor<1x4x8x64xf32>) -> tensor<1x4x8x64xf32>
  return %0 : tensor<1x4x8x64xf32>
}

// -----

func.func @head_dim(%q: tensor<1x4x8x52xf16>, %k: tensor<1x4x8x52xf16>, %v: tensor<1x4x8x52xf16>) -> tensor<1x4x8x52xf16> {
  // expected-error @below {{expected head dims of 8 to 256 in steps of 8, but got 52}}
  %0 = sink.attention %q, %k, %v {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x52xf16>, tensor<1x4x8x52xf16>, tensor<1x4x8x52xf16>) -> tensor<1x4x8x52xf16>
  return %0 : tensor<1x4x8x52xf16>
}

// -----

func.func @unknown_head_dim(%q: tensor<1x4x8x?xf16>, %k: tensor<1x4x8x?xf16>, %v: tensor<1x4x8x?xf16>) -> tensor<1x4x8x?xf16> {
  // expected-error @below {{expected a query with heads of known size}}
  %0 = sink.attention %q, %k, %v {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x?xf16>, tensor<1x4x8x?xf16>, tensor<1x4x8x?xf16>) -> tensor<1x4x8x?xf16>
  return %0 : tensor<1x4x8x?xf16>
}

// -----

func.func @mixed(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xbf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected a value of the query's type f16, but got bf16}}
  %0 = sink.attention %q, %k, %v {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xbf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

// Without the number of heads, [batch, sequence, 256] may be any.
func.func @no_heads(%q: tensor<1x8x256xf16>, %k: tensor<1x8x256xf16>, %v: tensor<1x8x256xf16>) -> tensor<1x8x256xf16> {
  // expected-error @below {{expected a query with heads of known size}}
  %0 = sink.attention %q, %k, %v {query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<1x8x256xf16>, tensor<1x8x256xf16>, tensor<1x8x256xf16>) -> tensor<1x8x256xf16>
  return %0 : tensor<1x8x256xf16>
}

// -----

func.func @past(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>, %p: tensor<1x4x8x64xf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected keys and values that include those of the past, but got past_key}}
  %0 = sink.attention %q, %k, %v past %p, %p {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

func.func @present(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected one result, but got present keys and values, too}}
  %0:3 = sink.attention %q, %k, %v {has_present, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>) -> (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>)
  return %0#0 : tensor<1x4x8x64xf16>
}

// -----

func.func @narrow_sinks(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>, %s: tensor<4xbf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected sink logits of f32 or of the query's type}}
  %0 = sink.attention %q, %k, %v sink_logit %s {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<4xbf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

func.func @flat_sinks(%q: tensor<4x8x64xf16>, %k: tensor<4x8x64xf16>, %v: tensor<4x8x64xf16>, %s: tensor<2xf32>) -> tensor<4x8x64xf16> {
  // expected-error @below {{expected a separate axis of heads with sink logits, but got layout hsd}}
  %0 = sink.attention %q, %k, %v sink_logit %s {num_heads = 2 : i64, query_layout = #sink.layout<hsd>, key_layout = #sink.layout<hsd>, value_layout = #sink.layout<hsd>, result_layout = #sink.layout<hsd>} : (tensor<4x8x64xf16>, tensor<4x8x64xf16>, tensor<4x8x64xf16>, tensor<2xf32>) -> tensor<4x8x64xf16>
  return %0 : tensor<4x8x64xf16>
}

// -----

func.func @drop(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>, %m: tensor<8x8xi1>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected a mask that is true where keys are visible}}
  %0 = sink.attention %q, %k, %v mask %m {mask_kind = #sink.mask_kind<drop>, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<8x8xi1>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

// Columns have no stride.
func.func @one_column(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>, %m: tensor<8x1xf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected a mask with a column for each of 8 keys, but got 1}}
  %0 = sink.attention %q, %k, %v mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<8x1xf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

// They may be one.
func.func @columns_of_another_name(%q: tensor<1x4x?x64xf16>, %k: tensor<1x4x?x64xf16>, %v: tensor<1x4x?x64xf16>, %m: tensor<8x?xf16>) -> tensor<1x4x?x64xf16> {
  // expected-error @below {{expected a mask with a column for each of ? keys, but got ?}}
  %0 = sink.attention %q, %k, %v mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x?x64xf16>, tensor<1x4x?x64xf16>, tensor<1x4x?x64xf16>, tensor<8x?xf16>) -> tensor<1x4x?x64xf16>
  return %0 : tensor<1x4x?x64xf16>
}

// -----

// Heads have no axis of their own to have a gate each.
func.func @gate_a_row(%q: tensor<1x8x256xf16>, %g: tensor<1x8x1xf16>) -> tensor<1x8x256xf16> {
  // expected-error @below {{expected a gate with a score for each of 256 elements or one for each head, but got 1}}
  %0 = sink.attention %q, %q, %q gate %g {num_heads = 4 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<1x8x256xf16>, tensor<1x8x256xf16>, tensor<1x8x256xf16>, tensor<1x8x1xf16>) -> tensor<1x8x256xf16>
  return %0 : tensor<1x8x256xf16>
}

// -----

func.func @wide_gate(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>, %g: tensor<1x4x8x64xf32>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected a gate of f16, but got f32}}
  %0 = sink.attention %q, %k, %v gate %g {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf32>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----
// One batch of values for three of queries: the kernel would compute one.
func.func @values_of_one_batch(%q: tensor<3x4x8x64xf16>, %v: tensor<1x4x8x64xf16>) -> tensor<3x4x8x64xf16> {
  // expected-error @below {{expected values with a batch of 3, but got 1}}
  %0 = sink.attention %q, %q, %v {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<3x4x8x64xf16>, tensor<3x4x8x64xf16>, tensor<1x4x8x64xf16>) -> tensor<3x4x8x64xf16>
  return %0 : tensor<3x4x8x64xf16>
}

// -----
// The same of sizes that are only known by name.
func.func @values_of_another_batch(%q: tensor<?x4x8x64xf16, #onnx.dims<"b", "", "", "">>, %v: tensor<?x4x8x64xf16, #onnx.dims<"c", "", "", "">>) -> tensor<?x4x8x64xf16, #onnx.dims<"b", "", "", "">> {
  // expected-error @below {{expected values with a batch of b, but got c}}
  %0 = sink.attention %q, %q, %v {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<?x4x8x64xf16, #onnx.dims<"b", "", "", "">>, tensor<?x4x8x64xf16, #onnx.dims<"b", "", "", "">>, tensor<?x4x8x64xf16, #onnx.dims<"c", "", "", "">>) -> tensor<?x4x8x64xf16, #onnx.dims<"b", "", "", "">>
  return %0 : tensor<?x4x8x64xf16, #onnx.dims<"b", "", "", "">>
}

// -----

func.func @no_scale(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected a scale that is not 0}}
  %0 = sink.attention %q, %k, %v {scale = 0.0 : f64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

func.func @negative_scale(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected a positive scale, but got -1}}
  %0 = sink.attention %q, %k, %v {scale = -1.0 : f64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

func.func @bias(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>, %b: tensor<8x8xf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected no bias, but a mask alone}}
  %0 = sink.attention %q, %k, %v bias %b {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<8x8xf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

func.func @score_factor(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>, %s: tensor<4x1x1xf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected one scale for all scores, but got score_factor}}
  %0 = sink.attention %q, %k, %v score_factor %s {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<4x1x1xf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

func.func @floor(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected no least score (floor)}}
  %0 = sink.attention %q, %k, %v {floor = -1.0e4 : f64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

func.func @mask_scale(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>, %m: tensor<8x8xf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected a mask that is added as it is, but got mask_scale}}
  %0 = sink.attention %q, %k, %v mask %m {mask_kind = #sink.mask_kind<additive>, mask_scale = 2.0 : f64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<8x8xf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

func.func @right_window(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected no window to the right of the query}}
  %0 = sink.attention %q, %k, %v {right_window = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

func.func @flags_of_numbers(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>, %m: tensor<8x8xf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected a mask of i1, but got f16}}
  %0 = sink.attention %q, %k, %v mask %m {mask_kind = #sink.mask_kind<keep>, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<1x4x8x64xf16>, tensor<8x8xf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}

// -----

func.func @transposed_keys(%q: tensor<1x4x8x64xf16>, %k: tensor<1x4x8x64xf16>, %v: tensor<1x4x8x64xf16>, %t: tensor<1x4x64x8xf16>) -> tensor<1x4x8x64xf16> {
  // expected-error @below {{expected a key whose first axis is the batch and whose last one a head's elements, but got layout bhds}}
  %0 = sink.attention %q, %t, %v {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhds>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x8x64xf16>, tensor<1x4x64x8xf16>, tensor<1x4x8x64xf16>) -> tensor<1x4x8x64xf16>
  return %0 : tensor<1x4x8x64xf16>
}
