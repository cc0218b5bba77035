//===- PointwiseText.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Splits programs into words and parentheses. Nothing here recurses before the depth is known to
// be small.
//
//===----------------------------------------------------------------------===//

#include "PointwiseText.h"

#include "basin/Kernels/PointwiseProgram.h"

#include "llvm/ADT/StringExtras.h"

using namespace basin::kernels;
using llvm::StringRef;
using llvm::Twine;

static constexpr size_t kMaxLength = 65536, kMaxDepth = 128, kMaxShown = 60;

/// Takes the next word or parenthesis from the text's beginning. It is empty at the end.
static StringRef takeWord(StringRef &text) {
  text = text.ltrim(" \t\r\n");
  size_t end = text.empty()                       ? 0
               : text[0] == '(' || text[0] == ')' ? 1
                                                  : text.find_first_of("() \t\r\n");
  StringRef word = text.take_front(end);
  text = text.drop_front(word.size());
  return word;
}

llvm::Expected<std::vector<Form>> basin::kernels::readForms(StringRef text) {
  if (text.size() > kMaxLength)
    return llvm::createStringError("program: expected at most " + Twine(kMaxLength) +
                                   " bytes, but got " + Twine(text.size()));
  if (!llvm::all_of(text, [](char c) { return llvm::isPrint(c) || llvm::isSpace(c); }))
    return llvm::createStringError("program: expected printable characters of ASCII");
  std::vector<Form> open(1);
  for (StringRef word = takeWord(text); !word.empty(); word = takeWord(text)) {
    if (word == "(") {
      if (open.size() > kMaxDepth)
        return llvm::createStringError("program: expected at most " + Twine(kMaxDepth) +
                                       " nested parentheses");
      open.emplace_back().isList = true;
    } else if (word == ")") {
      if (open.size() == 1)
        return llvm::createStringError("program: a ')' closes nothing");
      Form done = std::move(open.back());
      open.pop_back();
      open.back().parts.push_back(std::move(done));
    } else {
      open.back().parts.push_back({false, word, {}});
    }
  }
  if (open.size() != 1)
    return llvm::createStringError("program: " + Twine(open.size() - 1) +
                                   " parentheses are not closed");
  return std::move(open.front().parts);
}

static void print(const Form &form, std::string &out) {
  if (!form.isList) {
    out += form.word.take_front(kMaxShown + 1);
    return;
  }
  out += '(';
  for (const Form &part : form.parts) {
    if (out.size() > kMaxShown)
      break;
    if (out.back() != '(')
      out += ' ';
    print(part, out);
  }
  out += ')';
}

std::string basin::kernels::show(const Form &form) {
  std::string out;
  print(form, out);
  if (out.size() <= kMaxShown)
    return out;
  out.resize(kMaxShown);
  return out + "..";
}

std::string basin::kernels::normalizePointwiseProgram(StringRef text) {
  std::string out;
  for (StringRef word = takeWord(text); !word.empty(); word = takeWord(text)) {
    if (!out.empty() && out.back() != '(' && word != ")")
      out += ' ';
    out += word;
  }
  return out;
}
