#include "engine/cache_tiers.h"

#include "base/error.h"

#include <algorithm>
#include <utility>

namespace trellis {
namespace {

Buffer allocate(Backend& backend, size_t bytes) {
  if (bytes == 0) return {};
  try {
    return backend.allocate_staging(bytes);
  } catch (const UserError& error) {
    throw UserError("the host cache: {}; use a smaller --host-cache", error.what());
  }
}

}  // namespace

CacheTiers::CacheTiers(
    Backend& backend, const CacheStorage& storage, const CacheSpec& spec, int num_host_pages,
    std::unique_ptr<PageDirectory> directory
)
    : backend_(backend),
      storage_(storage),
      page_bytes_(CacheStorage::bytes_per_page(spec)),
      host_pages_(num_host_pages),
      memory_(allocate(backend, page_bytes_ * static_cast<size_t>(num_host_pages))),
      directory_(std::move(directory)) {}

CacheTiers::~CacheTiers() {
  // Nothing may write into the memory when it goes. A device that has failed writes no more.
  try {
    settle();
  } catch (const DeviceError&) {
  }
}

std::span<std::byte> CacheTiers::memory(int place) const {
  return {
      static_cast<std::byte*>(memory_.data()) + page_bytes_ * static_cast<size_t>(place),
      page_bytes_
  };
}

void CacheTiers::move(const std::vector<PageMove>& moves) {
  for (const PageMove& move : moves) {
    switch (move.kind) {
      case PageMove::Kind::kCopy:
        storage_.copy_page(backend_, move.from, move.to);
        break;
      case PageMove::Kind::kSave:
        start_save(move.from, move.to, host_pages_.content(move.to).is_full());
        break;
      case PageMove::Kind::kRestore:
        // It may have been saved just before.
        settle(std::find_if(saves_.begin(), saves_.end(), [&](const Save& save) {
          return save.place == move.from;
        }));
        storage_.restore_page(backend_, memory(move.from).data(), move.to);
        host_pages_.release(move.from);
        ++num_restored_;
        break;
    }
  }
}

void CacheTiers::start_save(PageId page, int place, bool is_for_disk) {
  saves_.push_back({place, storage_.save_page(backend_, page, memory(place).data()), is_for_disk});
}

void CacheTiers::settle() {
  while (!saves_.empty()) settle(saves_.begin());
}

void CacheTiers::settle(std::vector<Save>::iterator save) {
  if (save == saves_.end()) return;
  save->wait();
  const Save done = std::move(*save);
  saves_.erase(save);
  if (directory_ != nullptr && done.is_for_disk) {
    unwritten_.push_back({done.place, host_pages_.content(done.place).hash});
  }
  host_pages_.release(done.place);
}

void CacheTiers::fetch(Sequence& sequence, PrefixCache& prefixes) {
  if (directory_ == nullptr) return;
  const int64_t most = sequence.num_reusable();
  size_t page = 0;
  for (; static_cast<int64_t>(page + 1) * kPageTokens <= most; ++page) {
    const Hash128& hash = sequence.page_hashes[page];
    const auto tokens = sequence.page_tokens(page, most);
    if (prefixes.find(hash, tokens) || host_pages_.find(hash, tokens)) continue;
    if (!directory_->find(hash, tokens)) break;
    if (!await(sequence, hash)) return;
  }
  const Hash128& parent = sequence.parent_hash(page);
  const auto rest = sequence.page_tokens(page, most);
  const int64_t num_known = std::max(
      prefixes.find_part(parent, rest).num_tokens, host_pages_.find_part(parent, rest).num_tokens
  );
  const PageDirectory::Part part = directory_->find_part(parent, rest);
  if (part.num_tokens - num_known >= kWorthReading) await(sequence, part.hash);
}

bool CacheTiers::await(Sequence& sequence, const Hash128& hash) {
  Read* const read = start_read(hash);
  if (read == nullptr) return false;
  if (sequence.num_awaited == nullptr) {
    sequence.num_awaited = std::make_shared<int>(0);
    fetches_.push_back({sequence.num_awaited, Clock::now() + kReadPatience});
  }
  ++*sequence.num_awaited;
  read->waiters.push_back(sequence.num_awaited);
  return true;
}

CacheTiers::Read* CacheTiers::start_read(const Hash128& hash) {
  const auto read = std::find_if(reads_.begin(), reads_.end(), [&](const Read& each) {
    return each.hash == hash;
  });
  if (read != reads_.end()) return &*read;
  const auto place = host_pages_.take();
  if (!place) return nullptr;
  if (!directory_->start_read(hash, *place, memory(*place))) {
    host_pages_.release(*place);
    return nullptr;
  }
  return &reads_.emplace_back(Read{hash, {}});
}

void CacheTiers::finish_read(const PageDirectory::Finished& finished) {
  if (finished.error.empty()) {
    host_pages_.fill(finished.place, finished.content);
    ++num_read_;
  }
  const auto read = std::find_if(reads_.begin(), reads_.end(), [&](const Read& each) {
    return each.hash == finished.content.hash;
  });
  for (const std::shared_ptr<int>& num_awaited : read->waiters) --*num_awaited;
  reads_.erase(read);
}

void CacheTiers::poll() {
  if (directory_ == nullptr) return;
  for (const PageDirectory::Finished& finished : directory_->finished()) {
    if (finished.was_read) finish_read(finished);
    host_pages_.release(finished.place);
  }
  const Clock::time_point now = Clock::now();
  while (!fetches_.empty() && (*fetches_.front().num_awaited <= 0 || fetches_.front().until < now)
  ) {
    *fetches_.front().num_awaited = 0;  // what still comes makes it negative
    fetches_.pop_front();
  }
  write();
}

void CacheTiers::write() {
  // Where the disk stands still, no more waits for it than there are places.
  while (unwritten_.size() > static_cast<size_t>(host_pages_.num_places())) {
    unwritten_.pop_front();
    ++num_dropped_;
  }
  for (; !unwritten_.empty(); unwritten_.pop_front()) {
    const auto [place, hash] = unwritten_.front();
    const PageContent& content = host_pages_.content(place);
    if (content.hash != hash) {
      ++num_dropped_;  // another page has taken its place
      continue;
    }
    if (directory_->knows(content)) continue;
    if (!directory_->start_write(content, place, memory(place))) return;
    host_pages_.hold(place);
  }
}

void CacheTiers::wait(Clock::time_point until) {
  if (directory_ != nullptr && directory_->is_busy()) directory_->wait(until);
}

bool CacheTiers::is_busy() const {
  return !saves_.empty() || !unwritten_.empty() || (directory_ != nullptr && directory_->is_busy());
}

void CacheTiers::flush(Clock::time_point until) {
  settle();
  poll();
  while (is_busy() && Clock::now() < until) {
    wait(until);
    poll();
  }
}

void CacheTiers::flush_parts(const PrefixCache& prefixes, Clock::time_point until) {
  flush(until);
  if (directory_ == nullptr) return;
  const auto is_wanted = [this](const PageContent& content) {
    return !content.tokens.empty() && !content.is_full() && directory_->has(content.parent) &&
           !directory_->knows(content);
  };
  for (int place = 0; place < host_pages_.num_places(); ++place) {
    const PageContent& content = host_pages_.content(place);
    if (is_wanted(content)) unwritten_.push_back({place, content.hash});
  }
  flush(until);
  for (const PageId page : prefixes.parts()) {
    const PageContent& content = prefixes.content(page);
    if (!is_wanted(content)) continue;
    auto place = host_pages_.add(content);
    if (!place) {  // each of them waits for the disk
      flush(until);
      place = host_pages_.add(content);
    }
    if (place) start_save(page, *place, true);
  }
  flush(until);
}

CacheTierStats CacheTiers::host_stats() const {
  CacheTierStats stats;
  stats.num_pages = static_cast<int64_t>(host_pages_.num_pages());
  stats.bytes = static_cast<int64_t>(host_pages_.num_pages() * page_bytes_);
  stats.capacity_bytes = static_cast<int64_t>(memory_.bytes());
  stats.num_hits = num_restored_;
  return stats;
}

CacheTierStats CacheTiers::disk_stats() const {
  CacheTierStats stats;
  if (directory_ == nullptr) return stats;
  stats.num_pages = static_cast<int64_t>(directory_->num_pages());
  stats.bytes = static_cast<int64_t>(directory_->bytes());
  stats.capacity_bytes = static_cast<int64_t>(directory_->max_bytes());
  stats.num_hits = num_read_;
  stats.num_dropped = num_dropped_;
  stats.num_failed = directory_->num_failed();
  return stats;
}

}  // namespace trellis
