// What is no buffer: each case differs from one that is converted (cache-in-place.mlir) in one thing.
// RUN: basin-opt %s --convert-sink-to-onnx="form=operators:ort cache=in-place" --split-input-file --verify-diagnostics

// The past is read by another op.
#b = #sink.layout<bhsd>
#p = #onnx.dims<"batch", "", "past", "">
#n = #onnx.dims<"batch", "", "new", "">
#t = #onnx.dims<"batch", "", "total", "">
#m = #onnx.dims<"batch", "", "new", "total">
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main <inputs = [#onnx.value<"q", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"k", tensor<?x2x?x8xf32, #n>, {}>, #onnx.value<"m", tensor<?x1x?x?xf32, #m>, {}>, #onnx.value<"past.k", tensor<?x2x?x8xf32, #p>, {}>, #onnx.value<"past.v", tensor<?x2x?x8xf32, #p>, {}>], outputs = [#onnx.value<"y", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"present.k", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"present.v", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"z", tensor<?x2x?x8xf32, #p>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%q: tensor<?x4x?x8xf32, #n>, %k: tensor<?x2x?x8xf32, #n>, %m: tensor<?x1x?x?xf32, #m>, %pk: tensor<?x2x?x8xf32, #p>, %pv: tensor<?x2x?x8xf32, #p>):
  %z = onnx.Relu(%pk) : (tensor<?x2x?x8xf32, #p>) -> tensor<?x2x?x8xf32, #p>
  %keys = onnx.Concat(%pk, %k) {axis = -2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %values = onnx.Concat(%pv, %k) {axis = 2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  // expected-error @below {{the cache of attention '' cannot be updated in place: its past or present has another reader}}
  %a = sink.attention %q, %keys, %values mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<?x1x?x?xf32, #m>) -> tensor<?x4x?x8xf32, #n>
  onnx.return %a, %keys, %values, %z : tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #p>
}
}

// -----

// The present is read by another op.
#b = #sink.layout<bhsd>
#p = #onnx.dims<"batch", "", "past", "">
#n = #onnx.dims<"batch", "", "new", "">
#t = #onnx.dims<"batch", "", "total", "">
#m = #onnx.dims<"batch", "", "new", "total">
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main <inputs = [#onnx.value<"q", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"k", tensor<?x2x?x8xf32, #n>, {}>, #onnx.value<"m", tensor<?x1x?x?xf32, #m>, {}>, #onnx.value<"past.k", tensor<?x2x?x8xf32, #p>, {}>, #onnx.value<"past.v", tensor<?x2x?x8xf32, #p>, {}>], outputs = [#onnx.value<"y", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"present.k", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"present.v", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"z", tensor<?x2x?x8xf32, #t>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%q: tensor<?x4x?x8xf32, #n>, %k: tensor<?x2x?x8xf32, #n>, %m: tensor<?x1x?x?xf32, #m>, %pk: tensor<?x2x?x8xf32, #p>, %pv: tensor<?x2x?x8xf32, #p>):
  %keys = onnx.Concat(%pk, %k) {axis = -2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %values = onnx.Concat(%pv, %k) {axis = 2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %z = onnx.Relu(%values) : (tensor<?x2x?x8xf32, #t>) -> tensor<?x2x?x8xf32, #t>
  // expected-error @below {{the cache of attention '' cannot be updated in place: its past or present has another reader}}
  %a = sink.attention %q, %keys, %values mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<?x1x?x?xf32, #m>) -> tensor<?x4x?x8xf32, #n>
  onnx.return %a, %keys, %values, %z : tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>
}
}

// -----

// The past has a fixed length.
#b = #sink.layout<bhsd>
#p = #onnx.dims<"batch", "", "past", "">
#n = #onnx.dims<"batch", "", "new", "">
#t = #onnx.dims<"batch", "", "total", "">
#m = #onnx.dims<"batch", "", "new", "total">
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main <inputs = [#onnx.value<"q", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"k", tensor<?x2x?x8xf32, #n>, {}>, #onnx.value<"m", tensor<?x1x?x?xf32, #m>, {}>, #onnx.value<"past.k", tensor<?x2x7x8xf32, #onnx.dims<"batch", "", "", "">>, {}>, #onnx.value<"past.v", tensor<?x2x7x8xf32, #onnx.dims<"batch", "", "", "">>, {}>], outputs = [#onnx.value<"y", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"present.k", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"present.v", tensor<?x2x?x8xf32, #t>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%q: tensor<?x4x?x8xf32, #n>, %k: tensor<?x2x?x8xf32, #n>, %m: tensor<?x1x?x?xf32, #m>, %pk: tensor<?x2x7x8xf32, #onnx.dims<"batch", "", "", "">>, %pv: tensor<?x2x7x8xf32, #onnx.dims<"batch", "", "", "">>):
  %keys = onnx.Concat(%pk, %k) {axis = -2 : i64} : (tensor<?x2x7x8xf32, #onnx.dims<"batch", "", "", "">>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %values = onnx.Concat(%pv, %k) {axis = 2 : i64} : (tensor<?x2x7x8xf32, #onnx.dims<"batch", "", "", "">>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  // expected-error @below {{the cache of attention '' cannot be updated in place: the length of its past is fixed}}
  %a = sink.attention %q, %keys, %values mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<?x1x?x?xf32, #m>) -> tensor<?x4x?x8xf32, #n>
  onnx.return %a, %keys, %values : tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>
}
}

// -----

// The number of new keys is not known to be that of queries.
#b = #sink.layout<bhsd>
#p = #onnx.dims<"batch", "", "past", "">
#n = #onnx.dims<"batch", "", "new", "">
#t = #onnx.dims<"batch", "", "total", "">
#m = #onnx.dims<"batch", "", "new", "total">
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main <inputs = [#onnx.value<"q", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"k", tensor<?x2x?x8xf32, #onnx.dims<"batch", "", "other", "">>, {}>, #onnx.value<"m", tensor<?x1x?x?xf32, #m>, {}>, #onnx.value<"past.k", tensor<?x2x?x8xf32, #p>, {}>, #onnx.value<"past.v", tensor<?x2x?x8xf32, #p>, {}>], outputs = [#onnx.value<"y", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"present.k", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"present.v", tensor<?x2x?x8xf32, #t>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%q: tensor<?x4x?x8xf32, #n>, %k: tensor<?x2x?x8xf32, #onnx.dims<"batch", "", "other", "">>, %m: tensor<?x1x?x?xf32, #m>, %pk: tensor<?x2x?x8xf32, #p>, %pv: tensor<?x2x?x8xf32, #p>):
  %keys = onnx.Concat(%pk, %k) {axis = -2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #onnx.dims<"batch", "", "other", "">>) -> tensor<?x2x?x8xf32, #t>
  %values = onnx.Concat(%pv, %k) {axis = 2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #onnx.dims<"batch", "", "other", "">>) -> tensor<?x2x?x8xf32, #t>
  // expected-error @below {{the cache of attention '' cannot be updated in place: it is not known to have as many new keys as queries}}
  %a = sink.attention %q, %keys, %values mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<?x1x?x?xf32, #m>) -> tensor<?x4x?x8xf32, #n>
  onnx.return %a, %keys, %values : tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>
}
}

// -----

// The values do not follow a past.
#b = #sink.layout<bhsd>
#p = #onnx.dims<"batch", "", "past", "">
#n = #onnx.dims<"batch", "", "new", "">
#t = #onnx.dims<"batch", "", "total", "">
#m = #onnx.dims<"batch", "", "new", "total">
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main <inputs = [#onnx.value<"q", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"k", tensor<?x2x?x8xf32, #n>, {}>, #onnx.value<"m", tensor<?x1x?x?xf32, #m>, {}>, #onnx.value<"past.k", tensor<?x2x?x8xf32, #p>, {}>, #onnx.value<"past.v", tensor<?x2x?x8xf32, #p>, {}>], outputs = [#onnx.value<"y", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"present.k", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"present.v", tensor<?x2x?x8xf32, #t>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%q: tensor<?x4x?x8xf32, #n>, %k: tensor<?x2x?x8xf32, #n>, %m: tensor<?x1x?x?xf32, #m>, %pk: tensor<?x2x?x8xf32, #p>, %pv: tensor<?x2x?x8xf32, #p>):
  %keys = onnx.Concat(%pk, %k) {axis = -2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %values = onnx.Concat(%pv, %k) {axis = 2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %w = onnx.Relu(%values) : (tensor<?x2x?x8xf32, #t>) -> tensor<?x2x?x8xf32, #t>
  // expected-error @below {{the cache of attention '' cannot be updated in place: its keys and its values do not follow a past of their own}}
  %a = sink.attention %q, %keys, %w mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<?x1x?x?xf32, #m>) -> tensor<?x4x?x8xf32, #n>
  onnx.return %a, %keys, %values : tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>
}
}

// -----

// The keys follow a computed value, and nothing else has a past.
#b = #sink.layout<bhsd>
#p = #onnx.dims<"batch", "", "past", "">
#n = #onnx.dims<"batch", "", "new", "">
#t = #onnx.dims<"batch", "", "total", "">
#m = #onnx.dims<"batch", "", "new", "total">
// expected-error @below {{expected attention whose keys follow a past among the model's inputs, to update its cache in place, but got none}}
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main <inputs = [#onnx.value<"q", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"k", tensor<?x2x?x8xf32, #n>, {}>, #onnx.value<"m", tensor<?x1x?x?xf32, #m>, {}>, #onnx.value<"past.k", tensor<?x2x?x8xf32, #p>, {}>, #onnx.value<"past.v", tensor<?x2x?x8xf32, #p>, {}>], outputs = [#onnx.value<"y", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"present.k", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"present.v", tensor<?x2x?x8xf32, #t>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%q: tensor<?x4x?x8xf32, #n>, %k: tensor<?x2x?x8xf32, #n>, %m: tensor<?x1x?x?xf32, #m>, %pk: tensor<?x2x?x8xf32, #p>, %pv: tensor<?x2x?x8xf32, #p>):
  %r = onnx.Relu(%pk) : (tensor<?x2x?x8xf32, #p>) -> tensor<?x2x?x8xf32, #p>
  %s = onnx.Relu(%pv) : (tensor<?x2x?x8xf32, #p>) -> tensor<?x2x?x8xf32, #p>
  %keys = onnx.Concat(%r, %k) {axis = -2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %values = onnx.Concat(%s, %k) {axis = 2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %a = sink.attention %q, %keys, %values mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<?x1x?x?xf32, #m>) -> tensor<?x4x?x8xf32, #n>
  onnx.return %a, %keys, %values : tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>
}
}

// -----

// One of the presents is no output.
#b = #sink.layout<bhsd>
#p = #onnx.dims<"batch", "", "past", "">
#n = #onnx.dims<"batch", "", "new", "">
#t = #onnx.dims<"batch", "", "total", "">
#m = #onnx.dims<"batch", "", "new", "total">
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main <inputs = [#onnx.value<"q", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"k", tensor<?x2x?x8xf32, #n>, {}>, #onnx.value<"m", tensor<?x1x?x?xf32, #m>, {}>, #onnx.value<"past.k", tensor<?x2x?x8xf32, #p>, {}>, #onnx.value<"past.v", tensor<?x2x?x8xf32, #p>, {}>], outputs = [#onnx.value<"y", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"present.k", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"present.v", tensor<?x2x?x8xf32, #t>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%q: tensor<?x4x?x8xf32, #n>, %k: tensor<?x2x?x8xf32, #n>, %m: tensor<?x1x?x?xf32, #m>, %pk: tensor<?x2x?x8xf32, #p>, %pv: tensor<?x2x?x8xf32, #p>):
  %keys = onnx.Concat(%pk, %k) {axis = -2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %values = onnx.Concat(%pv, %k) {axis = 2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  // expected-error @below {{the cache of attention '' cannot be updated in place: its present keys and values are not one output each}}
  %a = sink.attention %q, %keys, %values mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<?x1x?x?xf32, #m>) -> tensor<?x4x?x8xf32, #n>
  onnx.return %a, %keys, %keys : tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>
}
}

// -----

// A kernel of GroupQueryAttention takes heads of a multiple of 8.
#b = #sink.layout<bhsd>
#p = #onnx.dims<"batch", "", "past", "">
#n = #onnx.dims<"batch", "", "new", "">
#t = #onnx.dims<"batch", "", "total", "">
#m = #onnx.dims<"batch", "", "new", "total">
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main <inputs = [#onnx.value<"q", tensor<?x4x?x4xf32, #n>, {}>, #onnx.value<"k", tensor<?x2x?x4xf32, #n>, {}>, #onnx.value<"m", tensor<?x1x?x?xf32, #m>, {}>, #onnx.value<"past.k", tensor<?x2x?x4xf32, #p>, {}>, #onnx.value<"past.v", tensor<?x2x?x4xf32, #p>, {}>], outputs = [#onnx.value<"y", tensor<?x4x?x4xf32, #n>, {}>, #onnx.value<"present.k", tensor<?x2x?x4xf32, #t>, {}>, #onnx.value<"present.v", tensor<?x2x?x4xf32, #t>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%q: tensor<?x4x?x4xf32, #n>, %k: tensor<?x2x?x4xf32, #n>, %m: tensor<?x1x?x?xf32, #m>, %pk: tensor<?x2x?x4xf32, #p>, %pv: tensor<?x2x?x4xf32, #p>):
  %keys = onnx.Concat(%pk, %k) {axis = -2 : i64} : (tensor<?x2x?x4xf32, #p>, tensor<?x2x?x4xf32, #n>) -> tensor<?x2x?x4xf32, #t>
  %values = onnx.Concat(%pv, %k) {axis = 2 : i64} : (tensor<?x2x?x4xf32, #p>, tensor<?x2x?x4xf32, #n>) -> tensor<?x2x?x4xf32, #t>
  // expected-error @below {{the cache of attention '' cannot be updated in place: the size of its heads is not one multiple of 8 for keys and values}}
  %a = sink.attention %q, %keys, %values mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x4xf32, #n>, tensor<?x2x?x4xf32, #t>, tensor<?x2x?x4xf32, #t>, tensor<?x1x?x?xf32, #m>) -> tensor<?x4x?x4xf32, #n>
  onnx.return %a, %keys, %values : tensor<?x4x?x4xf32, #n>, tensor<?x2x?x4xf32, #t>, tensor<?x2x?x4xf32, #t>
}
}

// -----

// A reason of the operator: a least score that does not absorb others.
#b = #sink.layout<bhsd>
#p = #onnx.dims<"batch", "", "past", "">
#n = #onnx.dims<"batch", "", "new", "">
#t = #onnx.dims<"batch", "", "total", "">
#m = #onnx.dims<"batch", "", "new", "total">
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main <inputs = [#onnx.value<"q", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"k", tensor<?x2x?x8xf32, #n>, {}>, #onnx.value<"m", tensor<?x1x?x?xf32, #m>, {}>, #onnx.value<"past.k", tensor<?x2x?x8xf32, #p>, {}>, #onnx.value<"past.v", tensor<?x2x?x8xf32, #p>, {}>], outputs = [#onnx.value<"y", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"present.k", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"present.v", tensor<?x2x?x8xf32, #t>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%q: tensor<?x4x?x8xf32, #n>, %k: tensor<?x2x?x8xf32, #n>, %m: tensor<?x1x?x?xf32, #m>, %pk: tensor<?x2x?x8xf32, #p>, %pv: tensor<?x2x?x8xf32, #p>):
  %keys = onnx.Concat(%pk, %k) {axis = -2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %values = onnx.Concat(%pv, %k) {axis = 2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  // expected-error @below {{the cache of attention '' cannot be updated in place: its scores have a least number that is not the lowest one}}
  %a = sink.attention %q, %keys, %values mask %m {floor = -1.0e4 : f64, mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<?x1x?x?xf32, #m>) -> tensor<?x4x?x8xf32, #n>
  onnx.return %a, %keys, %values : tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>
}
}

// -----

// The input's default is a tensor of a length of its own.
#b = #sink.layout<bhsd>
#p = #onnx.dims<"batch", "", "past", "">
#n = #onnx.dims<"batch", "", "new", "">
#t = #onnx.dims<"batch", "", "total", "">
#m = #onnx.dims<"batch", "", "new", "total">
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main <inputs = [#onnx.value<"q", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"k", tensor<?x2x?x8xf32, #n>, {}>, #onnx.value<"m", tensor<?x1x?x?xf32, #m>, {}>, #onnx.value<"past.k", tensor<?x2x?x8xf32, #p>, {}>, #onnx.value<"past.v", tensor<?x2x?x8xf32, #p>, {}>], outputs = [#onnx.value<"y", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"present.k", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"present.v", tensor<?x2x?x8xf32, #t>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%q: tensor<?x4x?x8xf32, #n>, %k: tensor<?x2x?x8xf32, #n>, %m: tensor<?x1x?x?xf32, #m>, %pk: tensor<?x2x?x8xf32, #p>, %pv: tensor<?x2x?x8xf32, #p>):
  %d = onnx.initializer "past.k" : tensor<1x2x1x8xf32> = dense<0.0> : tensor<1x2x1x8xf32>
  %keys = onnx.Concat(%pk, %k) {axis = -2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %values = onnx.Concat(%pv, %k) {axis = 2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  // expected-error @below {{the cache of attention '' cannot be updated in place: its past has a default value}}
  %a = sink.attention %q, %keys, %values mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<?x1x?x?xf32, #m>) -> tensor<?x4x?x8xf32, #n>
  onnx.return %a, %keys, %values : tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>
}
}
