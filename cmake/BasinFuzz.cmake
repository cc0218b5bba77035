# Basin's own code once more, instrumented for libFuzzer with the address and
# undefined sanitizers; the ordinary libraries stay as they are. libMLIR.so is
# not instrumented: a bad access inside of it goes unseen unless it crashes.
set(BASIN_FUZZ_FLAGS -O1 -g1 -fno-omit-frame-pointer -fexceptions
  -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all)

# The sources of every Basin library as one set of objects, and the mutator that
# knows onnx.proto.
function(basin_add_fuzz_objects name)
  get_property(libs GLOBAL PROPERTY BASIN_LIBS)
  set(sources)
  foreach(lib IN LISTS libs)
    get_target_property(files ${lib} SOURCES)
    get_target_property(dir ${lib} SOURCE_DIR)
    list(FILTER files INCLUDE REGEX "\\.cpp$")
    list(TRANSFORM files PREPEND ${dir}/)
    list(APPEND sources ${files})
  endforeach()
  add_library(${name} OBJECT ${ARGN} ${sources})
  target_compile_options(${name} PRIVATE ${BASIN_FUZZ_FLAGS})
  basin_statistic_layout(${name})
  if(BASIN_PRECOMPILED_HEADER)
    set(header ${name}Precompiled)
    add_library(${header} OBJECT ${PROJECT_SOURCE_DIR}/lib/Precompiled/Precompiled.cpp)
    target_compile_options(${header} PRIVATE ${BASIN_FUZZ_FLAGS})
    basin_statistic_layout(${header})
    add_dependencies(${header} ${libs})
    target_precompile_headers(${header} PRIVATE ${BASIN_PRECOMPILED_HEADER})
    basin_no_cache(${header})
    target_precompile_headers(${name} REUSE_FROM ${header})
  endif()
  add_dependencies(${name} ${libs})
endfunction()

function(basin_add_fuzzer name)
  add_executable(${name} ${ARGN})
  target_compile_options(${name} PRIVATE ${BASIN_FUZZ_FLAGS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer,address,undefined)
  # What is not among the objects (the kernels) comes as it is in the other tools.
  target_link_libraries(${name} PRIVATE BasinFuzzObjects BasinInitAll MLIR LLVM)
endfunction()
