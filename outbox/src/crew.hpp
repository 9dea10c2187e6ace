// The workers of a consumer, each in a thread of its own, and the batches in their hands. Internal;
// one thread at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "delivery.hpp"
#include "worker.hpp"

namespace outbox {

class Crew {
public:
    // stop: workers that wait for the database give up, as they do when this ends.
    Crew(const ConsumerOptions& options, const Handlers& handlers, std::atomic<bool>& database_well,
         const std::stop_token& stop);
    ~Crew();

    // Whether start() may be called: a second batch may follow one that keeps all workers busy, so
    // that none of them waits for the others' commits.
    bool has_room() const;
    // Splits a batch, which is not empty, over as many workers as it is worth, a lane always to one
    // of them, and to the same one as in the batch that it follows. A single share is not worth a
    // thread: it is applied when this returns.
    void start(std::vector<Delivery> batch);

    struct Batch {
        std::vector<Delivery> deliveries;
        std::vector<Share> shares;
    };
    // Whether there is a batch, and finish() would wait.
    bool is_busy() const;
    bool has_batch() const { return !batches_.empty(); }
    // Waits for the oldest batch, of which there is one, and takes it out. Throws what a worker
    // threw.
    Batch finish();
    // Waits for all of them: that worker has nothing to do.
    Worker& idle_worker();

private:
    struct InHand {
        Batch batch;
        std::size_t to_do;  // of its shares; under mutex_, as error is
        std::exception_ptr error;
    };
    struct Task {
        InHand* whole;
        Share* share;
    };
    struct Seat {
        Seat(const ConsumerOptions& options, const Handlers& handlers,
             std::atomic<bool>& database_well)
            : worker{options, handlers, database_well} {}
        Worker worker;
        std::deque<Task> tasks;  // under mutex_
    };

    std::size_t shares_for(std::size_t deliveries) const;
    void work(Seat& seat, const std::stop_token& end);
    void apply(Worker& worker, const Task& task);

    const ConsumerOptions& options_;
    std::stop_source give_up_;
    std::stop_callback<std::function<void()>> on_stop_;
    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<InHand> batches_;  // oldest first
    std::deque<Seat> seats_;
    std::vector<std::jthread> threads_;
};

}  // namespace outbox
