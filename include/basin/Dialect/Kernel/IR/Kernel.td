//===- Kernel.td -------------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_KERNEL_IR_KERNEL_TD
#define BASIN_DIALECT_KERNEL_IR_KERNEL_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/DialectBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let cppNamespace = "::basin::kernels";
  let summary = "What a launch must know of a GPU kernel";
  let description = [{
    A kernel is a `gpu.func`, so this dialect has no ops. It has one attribute that
    programs write: `kernel.contract` on the function says all that a launch needs,
    which is the arguments, the grid and the shared memory. Kernel objects and
    `sink.launch` are checked against it.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
}

//===----------------------------------------------------------------------===//
// Parts of a contract
//===----------------------------------------------------------------------===//

def Kernel_ArgumentKind : I32EnumAttr<"ArgumentKind", "what a kernel does with an argument", [
    I32EnumAttrCase<"In", 0, "in">, I32EnumAttrCase<"Out", 1, "out">,
    I32EnumAttrCase<"InOut", 2, "inout">, I32EnumAttrCase<"Scalar", 3, "scalar">
  ]> {
  let cppNamespace = "::basin::kernels";
  let genSpecializedAttr = 0;
}

def Kernel_ArgumentAttr : AttrDef<Kernel_Dialect, "Argument"> {
  let mnemonic = "argument";
  let hasCustomAssemblyFormat = 1;
  let summary = "an argument of a kernel, a part of its contract";
  let parameters = (ins "::mlir::StringAttr":$name, "ArgumentKind":$kind, "::mlir::Type":$type,
                        "int64_t":$alignment, "bool":$isStrided);
  let extraClassDeclaration = [{
    bool isScalar() const { return getKind() == ArgumentKind::Scalar; }
  }];
}

def Kernel_GridFactorAttr : AttrDef<Kernel_Dialect, "GridFactor"> {
  let mnemonic = "factor";
  let hasCustomAssemblyFormat = 1;
  let summary = "a factor of an axis of a grid: ceil(argument / per)";
  let parameters = (ins "::mlir::StringAttr":$argument, "int64_t":$per);
}

def Kernel_AxisAttr : AttrDef<Kernel_Dialect, "Axis"> {
  let mnemonic = "axis";
  let hasCustomAssemblyFormat = 1;
  let summary = "an axis of a grid, a product of factors; 1 without any";
  let parameters = (ins ArrayRefParameter<"GridFactorAttr">:$factors);
}

//===----------------------------------------------------------------------===//
// The contract
//===----------------------------------------------------------------------===//

def Kernel_ContractAttr : AttrDef<Kernel_Dialect, "Contract"> {
  let mnemonic = "contract";
  let summary = "what a launch of a kernel must know";
  let description = [{
    `arguments` are those of the function, in its order. Each has a name, a kind and
    a type, which is that of the scalar or of the elements that the pointer points
    to. A pointer is a multiple of `align` bytes, by default 16. A `strided` tensor has
    strides that are multiples of `align` as well, except the last one, which is 1.
    Other tensors are contiguous.

    `grid` has the three axes of the grid. An axis is the product of its factors,
    ceil(argument / per), where `per` is 1 by default.

    `shared` is the bytes of dynamic shared memory. Any number of blocks of a
    `resident` kernel can share out the x axis, so a launch needs only as many blocks
    as the device runs at once.

    `family` and the dictionary after it are the spec from which the kernel was made,
    in the words of the command line of `basin-compile`. A kernel that was written by
    hand has none.

    ```mlir
    gpu.func @norm(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>, %rows: i32) kernel
        attributes {known_block_size = array<i32: 128, 1, 1>,
          kernel.contract = #kernel.contract<
            (in "x" : bf16, out "y" : bf16 align 4, scalar "rows" : i32)
            grid ["rows" per 4], [], [] shared 0
            family "norm" {dim = 64 : i64, type = "bf16"}>}
    ```

    Constraints:
    - (contract_c1) arguments have names of their own; a scalar is an i32, i64 or
      f32, a pointer's elements are f32, f16, bf16, i8, i32 or i64
    - (contract_c2) `align` is a power of two up to 4096; scalars have neither
      `align` nor `strided`
    - (contract_c3) a factor's argument is a scalar of integers, and `per` is
      positive
    - (contract_c4) `shared` is not negative
    - (contract_c5) values of the spec are integers, numbers, texts and flags
    - (contract_c6) the function has an argument for each of the contract's:
      `!llvm.ptr<1>`, or of the scalar's type. A `gpu.func` is a kernel and has a
      `known_block_size`
  }];
  let parameters = (ins ArrayRefParameter<"ArgumentAttr">:$arguments, "AxisAttr":$x, "AxisAttr":$y,
                        "AxisAttr":$z, "int64_t":$sharedBytes, "bool":$isResident,
                        OptionalParameter<"::mlir::StringAttr">:$family,
                        OptionalParameter<"::mlir::DictionaryAttr">:$spec);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The name of the attribute on a function.
    static constexpr ::llvm::StringLiteral kName = "kernel.contract";
    /// Returns the contract of `op`, or null if it has none.
    static ContractAttr of(::mlir::Operation *op) { return op->getAttrOfType<ContractAttr>(kName); }
    void setOn(::mlir::Operation *op) const { op->setAttr(kName, *this); }

    /// Returns the argument of that name, or null if there is none.
    ArgumentAttr find(::llvm::StringRef name) const;
    std::array<AxisAttr, 3> getGrid() const { return {getX(), getY(), getZ()}; }

    // These return the same contract with one part changed.
    ContractAttr withGrid(AxisAttr x, AxisAttr y, AxisAttr z) const;
    ContractAttr withResidentBlocks() const;
    ContractAttr withSpec(::llvm::StringRef family, ::mlir::DictionaryAttr spec) const;
  }];
}

#endif // BASIN_DIALECT_KERNEL_IR_KERNEL_TD
