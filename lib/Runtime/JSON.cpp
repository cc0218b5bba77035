//===- JSON.cpp -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Recursive descent, with one function for each kind of value. The whole text is checked to be
// UTF-8 first, so strings can be copied byte by byte.
//
//===----------------------------------------------------------------------===//

#include "JSON.h"

#include <algorithm>
#include <charconv>
#include <cmath>

using namespace basin;
using namespace basin::rt;
using json::Value;

const Value *Value::find(std::string_view name) const {
  for (size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == name)
      return &elements[i];
  return nullptr;
}

const char *Value::describe() const {
  static constexpr const char *kNames[] = {"null",     "a boolean", "an integer", "a real number",
                                           "a string", "an array",  "an object"};
  return kNames[kind];
}

/// Returns the length of the UTF-8 sequence at the beginning of `text`, or 0 if it is not valid
/// (overlong, a surrogate, beyond U+10FFFF, or cut off).
static size_t sequenceLength(std::string_view text) {
  auto at = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  uint8_t first = at(0);
  if (first < 0x80)
    return 1;
  size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length)
    return 0;
  for (size_t i = 1; i < length; ++i)
    if ((at(i) & 0xC0) != 0x80)
      return 0;
  bool overlong = (first == 0xE0 && at(1) < 0xA0) || (first == 0xF0 && at(1) < 0x90);
  bool surrogate = first == 0xED && at(1) > 0x9F;
  bool beyond = first == 0xF4 && at(1) > 0x8F;
  return overlong || surrogate || beyond ? 0 : length;
}

size_t json::findInvalidUTF8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    size_t length = sequenceLength(text.substr(i));
    if (length == 0)
      return i;
    i += length;
  }
  return std::string_view::npos;
}

namespace {
class Reader {
public:
  explicit Reader(std::string_view text) : text(text) {}

  /// These return false once something is wrong; `error` then says what.
  bool read(Value &out);
  bool readValue(Value &out, unsigned depth);

  WhyNot error;

private:
  bool fail(const std::string &what) {
    if (!error)
      error = what + " at byte " + std::to_string(pos);
    return false;
  }
  bool atEnd() const { return pos == text.size(); }
  char peek() const { return atEnd() ? '\0' : text[pos]; }
  bool take(char c) {
    if (peek() != c || atEnd())
      return false;
    ++pos;
    return true;
  }
  void skipSpace() {
    while (!atEnd() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r'))
      ++pos;
  }
  bool takeWord(std::string_view word) {
    if (text.substr(pos, word.size()) != word)
      return false;
    pos += word.size();
    return true;
  }
  bool isDigit() const { return peek() >= '0' && peek() <= '9'; }
  bool takeDigits();

  bool readObject(Value &out, unsigned depth);
  bool readArray(Value &out, unsigned depth);
  bool readNumber(Value &out);
  bool readString(std::string &out);
  bool readEscape(std::string &out);
  bool readHex(uint32_t &out);

  std::string_view text;
  size_t pos = 0, values = 0;
};
} // namespace

bool Reader::read(Value &out) {
  pos = json::findInvalidUTF8(text);
  if (pos != std::string_view::npos)
    return fail("invalid UTF-8");
  pos = 0;
  if (!readValue(out, 0))
    return false;
  return atEnd() || fail("expected the end of the text");
}

/// Reads a value and the space on both sides of it.
bool Reader::readValue(Value &out, unsigned depth) {
  if (depth > json::kMaxDepth)
    return fail("nested more than " + std::to_string(json::kMaxDepth) + " deep");
  if (++values > json::kMaxValues)
    return fail("more than " + std::to_string(json::kMaxValues) + " values");
  skipSpace();
  bool good = false;
  if (peek() == '{') {
    good = readObject(out, depth);
  } else if (peek() == '[') {
    good = readArray(out, depth);
  } else if (peek() == '"') {
    out.kind = Value::String;
    good = readString(out.string);
  } else if (takeWord("true") || takeWord("false")) {
    out.kind = Value::Bool;
    out.boolean = text[pos - 2] == 'u';
    good = true;
  } else if (takeWord("null")) {
    good = true;
  } else if (peek() == '-' || isDigit()) {
    good = readNumber(out);
  } else {
    return fail("expected a value");
  }
  skipSpace();
  return good;
}

bool Reader::readObject(Value &out, unsigned depth) {
  out.kind = Value::Object;
  ++pos;
  skipSpace();
  if (take('}'))
    return true;
  do {
    skipSpace();
    if (peek() != '"')
      return fail("expected a key");
    if (!readString(out.keys.emplace_back()))
      return false;
    skipSpace();
    if (!take(':'))
      return fail("expected ':'");
    if (!readValue(out.elements.emplace_back(), depth + 1))
      return false;
  } while (take(','));
  if (!take('}'))
    return fail("expected ',' or '}'");
  std::vector<std::string_view> keys(out.keys.begin(), out.keys.end());
  std::sort(keys.begin(), keys.end());
  auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice != keys.end())
    return fail("key '" + std::string(*twice) + "' twice in the object that ends");
  return true;
}

bool Reader::readArray(Value &out, unsigned depth) {
  out.kind = Value::Array;
  ++pos;
  skipSpace();
  if (take(']'))
    return true;
  do {
    if (!readValue(out.elements.emplace_back(), depth + 1))
      return false;
  } while (take(','));
  return take(']') || fail("expected ',' or ']'");
}

bool Reader::takeDigits() {
  if (!isDigit())
    return fail("expected a digit");
  while (isDigit())
    ++pos;
  return true;
}

bool Reader::readNumber(Value &out) {
  size_t begin = pos;
  bool whole = true;
  take('-');
  if (!take('0') && !takeDigits())
    return false;
  if (isDigit())
    return fail("a number begins with 0");
  if (take('.')) {
    whole = false;
    if (!takeDigits())
      return false;
  }
  if (take('e') || take('E')) {
    whole = false;
    if (!take('-'))
      take('+');
    if (!takeDigits())
      return false;
  }
  const char *first = text.data() + begin, *last = text.data() + pos;
  if (whole && std::from_chars(first, last, out.integer).ec == std::errc()) {
    out.kind = Value::Integer;
    return true;
  }
  out.kind = Value::Real;
  if (std::from_chars(first, last, out.real).ec != std::errc() || !std::isfinite(out.real))
    return fail("a number out of range");
  return true;
}

bool Reader::readString(std::string &out) {
  ++pos;
  while (!take('"')) {
    if (atEnd())
      return fail("a string does not end");
    if (static_cast<uint8_t>(peek()) < 0x20)
      return fail("a control character in a string");
    if (!take('\\'))
      out.push_back(text[pos++]);
    else if (!readEscape(out))
      return false;
  }
  return true;
}

bool Reader::readHex(uint32_t &out) {
  if (text.size() - pos < 4)
    return fail("expected four hexadecimal digits");
  const char *first = text.data() + pos;
  auto [end, ec] = std::from_chars(first, first + 4, out, 16);
  if (ec != std::errc() || end != first + 4)
    return fail("expected four hexadecimal digits");
  pos += 4;
  return true;
}

static void appendUTF8(std::string &out, uint32_t code) {
  auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80)
    return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
    }
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

/// Reads what follows a backslash.
bool Reader::readEscape(std::string &out) {
  static constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
  if (size_t i = kFrom.find(peek()); !atEnd() && i != std::string_view::npos) {
    ++pos;
    out.push_back(kTo[i]);
    return true;
  }
  if (!take('u'))
    return fail("an unknown escape");
  uint32_t code = 0;
  if (!readHex(code))
    return false;
  if (code >= 0xD800 && code < 0xE000) {
    uint32_t low = 0;
    if (code >= 0xDC00 || !takeWord("\\u"))
      return fail("half of a surrogate pair");
    if (!readHex(low))
      return false;
    if (low < 0xDC00 || low >= 0xE000)
      return fail("half of a surrogate pair");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  appendUTF8(out, code);
  return true;
}

WhyNot json::parse(std::string_view text, Value &out) {
  out = Value();
  Reader reader(text);
  reader.read(out);
  return reader.error;
}
