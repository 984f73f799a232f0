#include "text/grammar.h"

#include "base/error.h"
#include "text/rust_results.h"

#include <future>
#include <string_view>
#include <utility>

namespace trellis {

const char* grammar_kind_name(GrammarKind kind) {
  switch (kind) {
    case GrammarKind::kJsonSchema:
      return "json_schema";
    case GrammarKind::kJsonObject:
      return "json_object";
    case GrammarKind::kRegex:
      return "regex";
    case GrammarKind::kChoice:
      return "choice";
    case GrammarKind::kLark:
      return "lark";
  }
  return "";
}

GrammarMatcher::GrammarMatcher(const Tokenizer& tokenizer, const Grammar& grammar) {
  const std::string_view kind = grammar_kind_name(grammar.kind);
  RustBytes error;
  const int status = trellis_text_matcher_new(
      tokenizer.handle(), rust_data(kind), kind.size(), rust_data(grammar.text),
      grammar.text.size(), &handle_, error.out()
  );
  if (status != kTrellisTextOk) {
    throw UserError("the {} cannot be used: {}", kind, error.to_string());
  }
}

GrammarMatcher::~GrammarMatcher() {
  trellis_text_matcher_free(handle_);
}

std::unique_ptr<GrammarMatcher> GrammarMatcher::clone() const {
  trellis_text_matcher* handle = nullptr;
  RustBytes error;
  if (trellis_text_matcher_clone(handle_, &handle, error.out()) != kTrellisTextOk) {
    throw UserError("the grammar cannot be used: {}", error.to_string());
  }
  std::unique_ptr<GrammarMatcher> result(new GrammarMatcher(handle));
  result->is_over_ = is_over_;
  return result;
}

std::vector<int32_t> GrammarMatcher::accept(std::span<const int32_t> tokens) {
  RustIds forced;
  RustBytes error;
  int is_over = 0;
  const int status = trellis_text_matcher_accept(
      handle_, reinterpret_cast<const uint32_t*>(tokens.data()), tokens.size(), forced.out(),
      &is_over, error.out()
  );
  if (status != kTrellisTextOk) throw UserError("the grammar gave up: {}", error.to_string());
  is_over_ = is_over != 0;
  return {forced.begin(), forced.end()};
}

void GrammarMatcher::roll_back(size_t num_tokens) {
  RustBytes error;
  if (trellis_text_matcher_roll_back(handle_, num_tokens, error.out()) != kTrellisTextOk) {
    throw UserError("the grammar gave up: {}", error.to_string());
  }
  is_over_ = is_over_ && num_tokens == 0;
}

bool GrammarMatcher::allowed(TokenMask& mask) {
  RustBytes error;
  int may_end = 0;
  const std::span<uint32_t> words = mask.words();
  const int status =
      trellis_text_matcher_mask(handle_, words.data(), words.size(), &may_end, error.out());
  if (status != kTrellisTextOk) throw UserError("the grammar gave up: {}", error.to_string());
  return may_end != 0;
}

void GrammarMatcher::cancel() const {
  trellis_text_matcher_cancel(handle_);
}

CompiledGrammar::CompiledGrammar(const Tokenizer& tokenizer, const Grammar& grammar)
    : mask(tokenizer.vocab_size()) {
  auto compiled = std::make_unique<GrammarMatcher>(tokenizer, grammar);
  // The limits of the matcher do not bound the time of a very ambiguous grammar.
  auto beginning = std::async(std::launch::async, [&] {
    forced = compiled->accept({});
    may_end = compiled->allowed(mask);
  });
  if (beginning.wait_for(kMaxGrammarTime) != std::future_status::ready) {
    compiled->cancel();
    beginning.wait();
    throw UserError(
        "the {} needs more than {} s for its first token; simplify it",
        grammar_kind_name(grammar.kind), kMaxGrammarTime.count()
    );
  }
  beginning.get();
  matcher = std::move(compiled);
}

std::shared_ptr<const CompiledGrammar> GrammarCache::get(const Grammar& grammar) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = by_grammar_.find(grammar); known != by_grammar_.end()) {
      entries_.splice(entries_.begin(), entries_, known->second);
      return known->second->second;
    }
  }
  // Outside of the lock: one that takes long keeps nobody else from a grammar that is known.
  auto compiled = std::make_shared<const CompiledGrammar>(tokenizer_, grammar);
  if (compiled->matcher->is_over() && compiled->forced.empty()) {
    throw UserError("the {} allows no text at all", grammar_kind_name(grammar.kind));
  }
  const std::lock_guard lock(mutex_);
  if (by_grammar_.contains(grammar)) return compiled;
  entries_.emplace_front(grammar, compiled);
  by_grammar_[grammar] = entries_.begin();
  if (entries_.size() > capacity_) {
    by_grammar_.erase(entries_.back().first);
    entries_.pop_back();
  }
  return compiled;
}

}  // namespace trellis
