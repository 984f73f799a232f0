// Lets sequences find, share and leave behind computed pages: what a sequence has to do with the
// tiers of the prefix cache while it waits, runs and ends.
#pragma once

#include "cache/host_pages.h"
#include "cache/prefix_cache.h"
#include "engine/page_move.h"
#include "engine/sequence.h"

#include <utility>
#include <vector>

namespace trellis {

/// Where pages go that leave the prefix cache, and come back from.
struct TierBelow {
  HostPages* pages = nullptr;  // null: nowhere
  bool saves_at_once = false;  // full pages go there as soon as they are known
};

/// Borrows the cache and the tier below it, which must outlive it. Engine thread.
class PrefixSharing {
 public:
  /// Without a tier below, what leaves the cache is gone.
  explicit PrefixSharing(PrefixCache& cache, const TierBelow& below = {});
  ~PrefixSharing();
  PrefixSharing(const PrefixSharing&) = delete;
  PrefixSharing& operator=(const PrefixSharing&) = delete;

  /// Hashes the full pages of a waiting sequence, before it is asked for or admitted: its last
  /// tokens may have become known since.
  void prepare(Sequence& sequence) const;

  /// Whether `other` begins with all that `sequence` may find computed.
  static bool covers(const Sequence& other, const Sequence& sequence);
  /// Whether so much of that is not known yet that a sequence does well to wait for it.
  bool is_worth_waiting(const Sequence& sequence);

  /// Gives a sequence without pages those that are known to hold its leading tokens, and room for
  /// all its tokens. Those of the tier below are to be brought back; where a page of either tier
  /// holds some of the next tokens, too, it is to be copied. Tokens that are not
  /// Sequence::num_reusable() are left to compute. False, and nothing is changed, where the pool
  /// would then have fewer than num_spare pages left. source: a running sequence that covers it and
  /// has come that far; null: none.
  bool admit(Sequence& sequence, int num_spare, const Sequence* source = nullptr);

  /// Makes pages known that are full by now. One that is known already from elsewhere takes the
  /// place of the sequence's own.
  void publish(Sequence& sequence);

  /// publish(), and the last page as far as it goes. To be called before the sequence's pages are
  /// given back.
  void leave(Sequence& sequence);

  /// What has to move since the last call, in the order to do it in. Places of the tier below that
  /// are named are held.
  std::vector<PageMove> take_moves() { return std::exchange(moves_, {}); }

 private:
  /// The known pages that hold the sequence's leading tokens.
  std::vector<PageId> find_pages(const Sequence& sequence);
  /// The places below that hold the sequence's full pages from `page` on.
  std::vector<int> find_below(const Sequence& sequence, size_t page);
  void save(PageId page, PageContent content);

  PrefixCache& cache_;
  TierBelow below_;
  std::vector<PageMove> moves_;
};

}  // namespace trellis
