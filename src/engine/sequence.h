// One running generation, as the scheduler sees it: integers only.
#pragma once

#include "base/siphash.h"
#include "cache/sequence_cache.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace trellis {

struct Sequence {
  Sequence(PagePool& pool, std::vector<int32_t> prompt, int64_t token_limit)
      : tokens(std::move(prompt)), max_tokens(token_limit), cache(pool) {}

  /// Tokens whose keys and values are not in the cache yet: at least one while the sequence runs.
  std::span<const int32_t> pending() const {
    return std::span(tokens).subspan(static_cast<size_t>(num_computed));
  }

  int64_t num_tokens() const { return static_cast<int64_t>(tokens.size()); }

  /// Leading tokens that are known.
  int64_t num_known() const { return num_tokens() - (chosen_row >= 0 ? 1 : 0); }
  /// Leading tokens that are known and will not be taken back, nor computed again.
  int64_t num_final() const { return num_known() - num_revocable; }
  /// Leading tokens that are final and in the cache.
  int64_t num_settled() const { return std::min(num_computed, num_final()); }
  /// The tokens of a page, as many as there are among the first `count`.
  std::span<const int32_t> page_tokens(size_t page, int64_t count) const {
    const auto begin = static_cast<int64_t>(page) * kPageTokens;
    return std::span(tokens).subspan(
        static_cast<size_t>(begin),
        static_cast<size_t>(std::clamp<int64_t>(count - begin, 0, kPageTokens))
    );
  }
  /// The hash of what stands before a page.
  const Hash128& parent_hash(size_t page) const {
    return page == 0 ? prefix_root : page_hashes[page - 1];
  }

  /// Has something to compute. The last token that it may have is only waited for.
  bool has_work() const {
    return !is_held && !pending().empty() && !(is_full() && chosen_row >= 0);
  }

  /// Leading tokens that may be found computed. The last one's logits are always wanted.
  int64_t num_reusable() const {
    const int64_t most = std::min(num_tokens() - 1, num_final());
    return states_begin < states_end ? std::min(states_begin, most) : most;
  }

  /// Waits for pages that are being read for it.
  bool awaits_pages() const { return num_awaited != nullptr && *num_awaited > 0; }

  /// Has all the tokens that it may have.
  bool is_full() const { return num_tokens() >= max_tokens; }

  /// Appends a token that a device has yet to choose, from this row of its logits.
  void append_unknown(int row) {
    tokens.push_back(0);
    chosen_row = row;
  }
  /// Appends a token, or says what the unknown one is.
  void append(int32_t token) {
    if (chosen_row >= 0) {
      tokens.back() = token;
    } else {
      tokens.push_back(token);
    }
    chosen_row = -1;
  }

  /// Forgets all but the first `count` tokens, which are known and of which the last is computed
  /// anew. Those behind num_final() may be forgotten, and one less.
  void take_back_to(int64_t count) {
    tokens.resize(static_cast<size_t>(count));
    chosen_row = -1;
    forget_last();
  }

  /// Has the last token computed anew.
  void forget_last() { num_computed = std::min(num_computed, num_tokens() - 1); }

  std::vector<int32_t> tokens;       // the prompt, then what was generated
  bool is_held = false;              // waits for something else than its turn
  int chosen_row = -1;               // not negative: the last token is unknown
  int64_t num_revocable = 0;         // last known tokens whose pages no other sequence may share
  int64_t max_tokens = 0;            // prompt and answer together
  int64_t num_computed = 0;          // leading tokens that are in the cache
  bool is_prompt_only = false;       // ends with its prompt: no logits are wanted
  int64_t states_begin = 0;          // positions whose hidden states are wanted and were not
  int64_t states_end = 0;            // computed for it yet
  Hash128 prefix_root;               // which sequences may share pages with it
  std::vector<Hash128> page_hashes;  // of its leading full pages, as far as their tokens are known
  size_t num_shared_pages = 0;       // leading pages that the prefix cache knows
  int64_t num_cached = 0;            // tokens that it found computed when it was first admitted
  std::shared_ptr<int> num_awaited;  // pages that are being read for it; null: none ever were
  int priority = 0;                  // higher ones are admitted first
  int64_t arrival = 0;               // the scheduler's: which of those of its priority came first
  int num_preemptions = 0;  // times that it lost its pages, and had its tokens computed again
  int num_overtaken = 0;    // the scheduler's: sequences behind it that were admitted before it
  SequenceCache cache;
};

}  // namespace trellis
