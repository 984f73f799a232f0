// Output that follows a grammar: which tokens may come next. Between a request and its sampler; the
// engine asks a matcher for a mask before each token and tells it which one came.
#pragma once

#include "base/token_mask.h"
#include "text/tokenizer.h"
#include "trellis/grammar.h"

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

struct trellis_text_matcher;

namespace trellis {

/// Far above what a grammar may need for a token, were the machine not busy: it is given up then.
inline constexpr std::chrono::seconds kMaxGrammarTime{3};

/// How far an output has come, and what may follow it. One thread at a time, but for cancel().
class GrammarMatcher {
 public:
  /// Compiles a grammar. Throws UserError saying what is wrong with it, or which limit of size,
  /// memory or time it exceeds. The first call for a tokenizer takes as long as loading it. The
  /// tokenizer may go before the matcher.
  GrammarMatcher(const Tokenizer& tokenizer, const Grammar& grammar);
  ~GrammarMatcher();
  GrammarMatcher(const GrammarMatcher&) = delete;
  GrammarMatcher& operator=(const GrammarMatcher&) = delete;

  /// A matcher in the same state that shares nothing with this one. Any thread, while no other
  /// method runs.
  std::unique_ptr<GrammarMatcher> clone() const;

  /// Takes the next tokens of the output, and then those that must follow them: it returns these.
  /// Throws UserError for a token that must not come, and where the grammar needs too much work;
  /// the matcher is of no use then.
  std::vector<int32_t> accept(std::span<const int32_t> tokens);

  /// Takes back the last num_tokens tokens that accept() took or returned. Throws as accept().
  void roll_back(size_t num_tokens);

  /// Nothing may follow: the output is whole.
  bool is_over() const { return is_over_; }

  /// The tokens that may come next, by their text; stop tokens are not the grammar's business. True
  /// if the output is whole as it is. Throws as accept().
  bool allowed(TokenMask& mask);

  /// Has the call that another thread is in, and each later one, throw soon.
  void cancel() const;

 private:
  explicit GrammarMatcher(trellis_text_matcher* handle) : handle_(handle) {}

  trellis_text_matcher* handle_ = nullptr;
  bool is_over_ = false;
};

/// A grammar that was compiled: how every output that follows it begins. Immutable.
struct CompiledGrammar {
  /// Throws as GrammarMatcher.
  CompiledGrammar(const Tokenizer& tokenizer, const Grammar& grammar);

  std::unique_ptr<const GrammarMatcher> matcher;  // to be cloned; has taken `forced`
  std::vector<int32_t> forced;                    // the tokens that every output begins with
  TokenMask mask;                                 // of the token after them
  bool may_end = false;                           // the output is whole after them
};

/// Remembers the grammars that were compiled last. Any thread; the tokenizer must outlive it.
class GrammarCache {
 public:
  explicit GrammarCache(const Tokenizer& tokenizer, size_t capacity = 32)
      : tokenizer_(tokenizer), capacity_(capacity) {}

  /// Throws as GrammarMatcher's constructor, and for a grammar that allows no text at all.
  std::shared_ptr<const CompiledGrammar> get(const Grammar& grammar);

 private:
  using Entry = std::pair<Grammar, std::shared_ptr<const CompiledGrammar>>;

  const Tokenizer& tokenizer_;
  const size_t capacity_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // the last used first
  std::map<Grammar, std::list<Entry>::iterator> by_grammar_;
};

}  // namespace trellis
