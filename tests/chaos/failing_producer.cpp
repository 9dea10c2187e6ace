// Preloaded into a relay: fails its producer for good, POSTROOM_FATAL_TIMES times, at every 200th
// poll. A fabricated error, as there is no practical way to provoke a real one: librdkafka's own
// words (rdkafka.h, rd_kafka_test_fatal_error), which also has this call.
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>

#include <atomic>
#include <cstdlib>

extern "C" int rd_kafka_poll(rd_kafka_t* client, int timeout_ms) {
    static auto* const real =
        reinterpret_cast<decltype(&rd_kafka_poll)>(::dlsym(RTLD_NEXT, "rd_kafka_poll"));
    static const char* const given = std::getenv("POSTROOM_FATAL_TIMES");
    static std::atomic<long> left{given != nullptr ? std::atol(given) : 0};
    static std::atomic<long> polls{};
    constexpr long every = 200;
    if (rd_kafka_outq_len(client) > 0 && left > 0 && ++polls % every == 0) {
        --left;
        rd_kafka_test_fatal_error(client, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                  "fabricated");
    }
    return real(client, timeout_ms);
}
