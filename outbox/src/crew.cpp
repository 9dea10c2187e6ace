#include "crew.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

namespace outbox {

Crew::Crew(const ConsumerOptions& options, const Handlers& handlers,
           std::atomic<bool>& database_well, const std::stop_token& stop)
    : options_{options}, on_stop_{stop, [this] { give_up_.request_stop(); }} {
    for (int i = 0; i < options.workers; ++i) seats_.emplace_back(options, handlers, database_well);
    for (auto& seat : seats_)
        threads_.emplace_back([this, &seat](const std::stop_token& end) { work(seat, end); });
}

Crew::~Crew() { give_up_.request_stop(); }

std::size_t Crew::shares_for(std::size_t deliveries) const {
    return std::min((deliveries + options_.share - 1) / options_.share, seats_.size());
}

bool Crew::has_room() const {
    constexpr std::size_t most = 2;
    return batches_.empty() || (batches_.size() < most &&
                                batches_.back().batch.shares.size() == shares_for(options_.batch));
}

void Crew::start(std::vector<Delivery> batch) {
    const bool follows = has_batch();
    std::vector<Share> shares(shares_for(follows ? options_.batch : batch.size()));
    for (auto& delivery : batch) {
        auto& share = shares[std::hash<std::string>{}(delivery.lane()) % shares.size()];
        share.deliveries.push_back(&delivery);
        share.follows = follows;
    }
    const auto count = shares.size();
    auto& whole = batches_.emplace_back(Batch{std::move(batch), std::move(shares)}, count);
    if (count == 1 && !follows) return apply(seats_[0].worker, {&whole, &whole.batch.shares[0]});
    {
        const std::scoped_lock lock{mutex_};
        for (std::size_t i = 0; i < count; ++i)
            seats_[i].tasks.push_back({&whole, &whole.batch.shares[i]});
    }
    changed_.notify_all();
}

void Crew::work(Seat& seat, const std::stop_token& end) {
    std::unique_lock lock{mutex_};
    while (changed_.wait(lock, end, [&seat] { return !seat.tasks.empty(); })) {
        const auto task = seat.tasks.front();
        seat.tasks.pop_front();
        lock.unlock();
        apply(seat.worker, task);
        lock.lock();
    }
}

void Crew::apply(Worker& worker, const Task& task) {
    std::exception_ptr error;
    try {
        worker.process(*task.share, give_up_.get_token());
    } catch (...) {
        error = std::current_exception();
    }
    {
        const std::scoped_lock lock{mutex_};
        if (error) task.whole->error = error;
        if (--task.whole->to_do > 0) return;
    }
    changed_.notify_all();
}

bool Crew::is_busy() const {
    const std::scoped_lock lock{mutex_};
    return has_batch() && batches_.front().to_do > 0;
}

Crew::Batch Crew::finish() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return batches_.front().to_do == 0; });
    auto oldest = std::move(batches_.front());
    batches_.pop_front();
    if (oldest.error) std::rethrow_exception(oldest.error);
    return std::move(oldest.batch);
}

Worker& Crew::idle_worker() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] {
        return std::ranges::all_of(batches_, [](const auto& each) { return each.to_do == 0; });
    });
    return seats_[0].worker;
}

}  // namespace outbox
