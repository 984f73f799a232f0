// Lets sequences find, share and leave behind computed pages: what a sequence has to do with the
// prefix cache while it waits, runs and ends.
#pragma once

#include "cache/prefix_cache.h"
#include "engine/sequence.h"

#include <utility>
#include <vector>

namespace trellis {

/// A page whose contents are to be copied to another one before the next step.
struct PageCopy {
  PageId from = -1;
  PageId to = -1;
};

/// Borrows the cache, which must outlive it. Engine thread.
class PrefixSharing {
 public:
  explicit PrefixSharing(PrefixCache& cache) : cache_(cache) {}

  /// Hashes the full pages of a waiting sequence, before it is asked for or admitted: its last
  /// tokens may have become known since.
  void prepare(Sequence& sequence) const;

  /// Whether `other` begins with all that `sequence` may find computed.
  static bool covers(const Sequence& other, const Sequence& sequence);
  /// Whether so much of that is not known yet that a sequence does well to wait for it.
  bool is_worth_waiting(const Sequence& sequence);

  /// Gives a sequence without pages those that are known to hold its leading tokens, and room for
  /// all its tokens. Where a page holds some of the next tokens, too, it is to be copied. Tokens
  /// that are not Sequence::num_reusable() are left to compute. False, and nothing is changed,
  /// where the pool would then have fewer than num_spare pages left. source: a running sequence
  /// that covers it and has come that far; null: none.
  bool admit(Sequence& sequence, int num_spare, const Sequence* source = nullptr);

  /// Makes pages known that are full by now. One that is known already from elsewhere takes the
  /// place of the sequence's own.
  void publish(Sequence& sequence);

  /// publish(), and the last page as far as it goes. To be called before the sequence's pages are
  /// given back.
  void leave(Sequence& sequence);

  /// The copies of the sequences admitted since the last call, in the order to make them in.
  std::vector<PageCopy> take_copies() { return std::exchange(copies_, {}); }

 private:
  /// The known pages that hold the sequence's leading tokens.
  std::vector<PageId> find_pages(const Sequence& sequence);

  PrefixCache& cache_;
  std::vector<PageCopy> copies_;
};

}  // namespace trellis
