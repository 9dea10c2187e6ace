#!/usr/bin/env python3
"""Takes each guarantee out in turn, and sees that its fault test then fails for that very reason.

    run_mutants.py [MUTANT...]

Needs the mutants build (POSTROOM_BIN is its bin directory) and what else ./ops/test sets. Every
test is run once unharmed, and must pass; then once a mutant, and must fail by the assertion named
here, not by a time-out or an error on the way. Exit status 0 only when every mutant is killed.
"""

import functools
import os
import pathlib
import re
import subprocess
import sys
import time

TIME_LIMIT_S = 240

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[2]

# Of a suite; else chaos_test. What ends with .py lies in the sources.
PROGRAMS = {"Access": "tests/integration/api_test.py", "AccountAwayTest": "account_test",
            "AccountGrpcTest": "account_test", "AccountHttpTest": "account_test",
            "AccountLoginTest": "account_test", "AccountSessionTest": "account_test",
            "CacheTest": "cache_test", "Config": "relay_unit_test",
            "Conservation": "tests/chaos/conservation_test.py", "EdgeTest": "edge_test",
            "FilterKind/0": "cache_unit_test", "FilterTest": "cache_test",
            "InboxHistory": "append_test", "LastUnit": "product_test",
            "LastUnitCached": "product_test", "LeasedIdsTest": "product_test",
            "LogicalSource": "source_test", "OrderParticipant": "participants_test",
            "OverlappingBatches": "consumer_test", "ProductCacheTest": "product_test",
            "ProductGrpcTest": "product_test", "PurchaseEvents": "purchase_test",
            "PurchaseHttp": "purchase_test", "Relay": "relay_test",
            "SagaCrash": "orchestrator_test", "Server": "http_unit_test",
            "Source/Drain": "operate_test", "Spike": "spike_test",
            "StripePayment": "participants_test", "Token": "account_unit_test"}

# mutant, or TEST:MUTANT for one that has another test: (row of the fault table; test; what its failure must say)
MUTANTS = {
    "unopened": (1, "Relay.LosesNothingOfTopicsThatItHasJustCreated", r"lost=[1-9]"),
    "advance_at_read": (1, "RelayCrash.AfterReadLosesNothing", r"lost=[1-9]"),
    "forget_delayed": (1, "Delay.OutlivesAKillBetweenItsNoteAndItsTime", r"lost=[1-9]"),
    "deaf_pause": ("–", "LogicalSource.HoldsNoWalBackWhileItIsPausedAndThereIsNoEvent",
                   r"a pause holds WAL back that has no event"),
    "whole_transactions": (
        "–", "LogicalSource.HoldsAWindowOfAHugeTransactionWhichItPublishesWholeAndOfAnAbortedOneNothing",
        r"a transaction is held as a whole"),
    "confirm_at_read": (1, "LogicalRelayCrash.AfterReadLosesNothing", r"lost=[1-9]"),
    "sent_on_enqueue": (2, "RelayCrash.AfterProduceLosesNothingAndKeepsTheOrder", r"lost=[1-9]"),
    "no_inbox": (3, "ConsumerCrash.ARepeatedPublicationTakesEffectOnce", r"twice=[1-9]"),
    "position_in_database_only": (
        3, "ExactlyOnce.RepeatsNothingWhenKilledBetweenTheCommitAndTheDatabase",
        r"repeated=[1-9]"),
    "own_transactional_id": (
        4, "ExactlyOnce.LetsAFrozenRelayPublishNothingOnceItHasASuccessor", r"repeated=[1-9]"),
    "no_fence": (4, "Succession.AZombieAddsNothingToWhatItsSuccessorPublishes",
                 r"published by both"),
    "silenced": (4, "Succession.AZombieThatHoldsTheDoorbellDelaysNothing",
                 r"a zombie's lock delays what its successor does"),
    "silent_reconnect": (5, "Succession.ARelayWhoseSessionsWereTerminatedIsRungAgain",
                         r"nobody rings a relay whose session was terminated"),
    "no_flush": (6, "RelayCrash.FiftyGracefulStopsRepeatNothing", r"repeated=[1-9]"),
    "id_gt_last": (7, "CommitOrder.PublishesALateCommitAfterItsSuccessors", r"lost=[1-9]"),
    "early_floor": (7, "CommitOrder.KeepsARunningTransactionThatTheSnapshotDoesNotList",
                    r"lost=[1-9]"),
    "ignore_snapshots": (9, "CommitOrder.PublishesPreparedTransactionsWhenTheyCommit",
                         r"lost=[1-9]"),
    "xmin_gate": (10, "OpenWriters.DelayNobodyElse", r"an open writer delays the others"),
    "new_uuid": (11, "CutCommit.RetriedUnderTheSameIdTakesEffectOnce", r"changes=30"),
    "async_commit": (12, "DurableCommits.SurviveImmediateStopsOfPostgreSQL", r"lost=[1-9]"),
    "unflushed_window": (12, "RiskedCommits.AreNotPublishedBeforePostgreSQLCanNotLoseThem",
                         r"published what PostgreSQL then lost"),
    "published_before_standbys": (
        13, "Failover.TakesNothingBackThatIsPublishedThoughItsWriterDidNotWait",
        r"published what the standby lacks"),
    "asynchronous": (13, "Delivery/WaitedForStandby.LosesNothingAndKeepsTheOrderWhenItTakesOver/at_least_once",
                     r"lost=[1-9]"),
    "dedupe_by_seq": (14, "Failover.ToAStandbyThatLaggedLosesWhatItLackedAndRepeatsNoEffect",
                      r"an id that was given again hides an event"),
    "no_timeline_check": (15, "RestoredDump.IsRefusedUntilItIsToldWhatToRepeat",
                          r"a restored database passes for the one that it was copied from"),
    "trust_kafka": (
        15, "RestoredVolume.IsRefusedWhereKafkaKnowsAFutureOfItUntilItIsToldWhatToRepeat",
        r"a restored volume passes for what it was, lost=[1-9]"),
    "drain_at_once": (6, "Source/Drain.PublishesWhatWasCommittedWhenItWasAskedForAndNothingOnceItHasEnded/table",
                      r"drained without it"),
    "report_by_position": (
        15, "Delivery/Restored.VolumeIsToldExactlyWhichEventsARebaseRepeatsAndSkipsAndWhichAreMissing/at_least_once",
        r"recorded\[\"missing\"\]"),
    "no_fallback_poll": (16, "Doorbell.AnEventThatRangNobodyIsPublishedAllTheSame",
                         r"an event that rang nobody is not published"),
    "blind_ring": (16, "Doorbell.AFullNotificationQueueHoldsUpNeitherWritersNorTheRelay",
                   r"a notification fails a writer"),
    "swallow_the_error": (17, "FullDisk.OfTheDatabaseLosesNothingThatWasAcknowledged",
                          r"lost=[1-9]"),
    "scan_all": (
        18, "Backlog.WithoutVacuumIsReadByIndexAsFastAtItsEndAsAtItsBeginning", r"not by index"),
    "acks_1": (19, "Delivery/BrokerDeath.CountsNothingAsPublishedThatOneBrokerAloneHolds/at_least_once",
               r"published rose from \d+ to \d+ with one replica"),
    "one_in_sync": (
        20, "ThreeBrokers.LoseNothingWhenLeadersMoveAndTheLastOneInSyncDiesWithItsDisk",
        r"lost=[1-9]"),
    "no_alarm": (21, "DeletedTopic.IsReportedAndWhatItHeldCanBeRepeated", r"no alarm: "),
    "no_recreate": (22, "Delivery/FailedProducer.IsReplacedWithoutLossAndInOrder/at_least_once",
                    r"\d failed producers were replaced, not 5"),
    "silent_skip": (23, "Delivery/Poison.ParksExactlyWhatWasInjectedAndDelaysNobodyElse/at_least_once",
                    r"dead letters differ from the injected events"),
    "ack_on_send": (24, "Delivery/BadNetwork.LosesNothingAndKeepsTheOrder/at_least_once", r"lost=[1-9]"),
    "shard_by_nothing": (4, "Shards.AreSharedByTwoRelaysAndMoveWithinALeaseWhenOneIsKilled",
                         r"repeated=[1-9]"),
    "reshard_without_barrier": (
        4, "Shards/ReshardedWith.NothingLostRepeatedOrOutOfOrder/at_least_once", r"lost=[1-9]"),
    "late_barrier": (4, "Shards/ReshardedWith.NothingLostRepeatedOrOutOfOrder/at_least_once",
                     r"repeated=[1-9]"),
    "sleep_while_held": (16, "Shards.ThatAreQuietAreRungWhileAnotherKeepsTheDoorbell",
                         r"shards sleep although writers do not ring"),
    "wall_clock_lease": (25, "Succession.ClocksAnHourOffMoveNoLease",
                         r"the lease changed hands while its holder lived"),
    "offsets_first": (26, "ConsumerCrash.AfterTheEffectLosesAndRepeatsNothing", r"missing=[1-9]"),
    "forgets_failed": ("–", "OverlappingBatches.KeepAKeysOrderAfterAFailure", r"out of order"),
    "goes_on_after_giving_up": (
        "–", "OverlappingBatches.KeepAKeysOrderWhenStoppedWhileTheDatabaseIsAway",
        r"out of order"),
    "undrained": (27, "Rebalance.WhileEventsFlowLosesRepeatsAndReordersNoEffect",
                  r"missing=[1-9]"),
    "check_then_insert": (28, "ConsumerCrash.ConcurrentCopiesTakeEffectOnce", r"twice=[1-9]"),
    "no_purchase_key": (28, "PurchaseHttp.MakesOnePurchaseOfFiftyEqualRequestsAtOnce",
                        r"purchases=([2-9]|\d\d)"),
    "no_terminal_state": (30, "PurchaseEvents.ChangeNothingOnceThePurchaseHasEnded",
                          r"changes=[4-9]"),
    "short_purge": (29, "InboxHistory.ForgetsTheDaysBeyondRetentionAndRefusesTheirEvents",
                    r"applied twice"),
    "soak:no_inbox": (
        "–", "Delivery/Soak.OfEveryFaultInTurnLosesNothingAndRepeatsNoEffect/at_least_once", r"twice=[1-9]"),
    "conservation:no_inbox": ("–", "Conservation.test_holds_whoever_is_killed",
                              r"steps of the saga of no message, or twice: [1-9]"),
    "conservation:step_not_persisted": (
        "–", "Conservation.test_holds_whoever_is_killed",
        r"purchases that did not end exactly once, in the same way everywhere: [1-9]"),
    "no_dummy_hash": ("–", "AccountLoginTest.AnswersAnUnknownAddressAsItDoesAWrongPassword",
                      r"an unknown address is known by its time"),
    "no_login_throttle": ("–", "AccountLoginTest.LetsThroughNoMoreGuessesThatComeAtOnce",
                          r"guesses beyond the limit"),
    "no_reuse_detection": ("–", "AccountSessionTest.EndsTheSessionOfARefreshTokenThatComesTwice",
                           r"a used refresh token counts again"),
    "forgets_revocations": ("–", "AccountAwayTest.RevivesNoSessionThatWasHeardToBeRevoked",
                            r"a token that was heard to be revoked counts again"),
    "refresh_as_access": ("–", "Access.test_is_as_the_documents_say",
                          r"POST /api/v1/purchases for refresh: 202 instead of 401"),
    "any_owner": ("–", "Access.test_is_as_the_documents_say",
                  r"GET /api/v1/purchases/{id} for foreign: 200 instead of 404"),
    "any_role": ("–", "Access.test_is_as_the_documents_say",
                 r"POST /api/v1/products for owner: 201 instead of 403"),
    "any_operator": ("–", "Access.test_is_as_the_documents_say",
                     r"GET /api/v1/sagas for owner: 200 instead of 401"),
    "any_signature": ("–", "Access.test_is_as_the_documents_say",
                      r"POST /api/v1/payments/webhook for none: 200 instead of 400"),
    "any_header": ("–", "Token.IsRefusedUnderAnyOtherHeader", r'"alg":"none"'),
    "any_audience": ("–", "Token.IsRefusedWithAClaimMissingOrWrong", r"\baud\b"),
    "claims_twice": ("–", "Token.IsRefusedWithAClaimThatComesTwice",
                     r"refused\(sign\(access_header, twice\)\)"),
    "no_rehash": ("–", "AccountLoginTest.HashesAnewUnderNewParameters", r"m=1024,t=1,p=1"),
    "unbounded_hashing": ("–", "AccountLoginTest.RefusesWhenTooManyPasswordsAreBeingHashed",
                          r"statuses\[503\]"),
    "no_address_throttle": ("–", "AccountLoginTest.LimitsTheGuessesFromOneAddress",
                            r"Which is: 200\s+429"),
    "shows_secrets": ("–", "Config.PrintsNoSecret", r"canary-1"),
    "any_broker": ("–", "SecureKafka.SaysWhichSecretIsWrongAndPublishesAllOnceItIsMended",
                   r"not tell of: certificate verify failed"),
    "any_server": ("–", "SecurePostgres.IsRefusedUnderAnotherNameOrAuthorityAndReadUnderItsOwn",
                   r"not tell of: certificate verify failed"),
    "two_lengths": ("–", "EdgeTest.EveryServiceAndTheEdgeRefuseWhatAttackersSendAndServeOn",
                    r"product: two CLs"),
    "body_of_get": ("–", "EdgeTest.EveryServiceAndTheEdgeRefuseWhatAttackersSendAndServeOn",
                    r"account: GET with a body"),
    "unbounded_body": ("–", "EdgeTest.EveryServiceAndTheEdgeRefuseWhatAttackersSendAndServeOn",
                       r"account: chunked past the limit"),
    "slow_head": ("–", "EdgeTest.EveryServiceAndTheEdgeRefuseWhatAttackersSendAndServeOn",
                  r"a slow client is never told to go"),
    "tells_exceptions": ("–", "AccountHttpTest.TellsNobodyItsSecrets", r"violates check constraint"),
    "any_caller": ("–", "ProductGrpcTest.IsForThoseWhoHaveTheTokenAndTrustTheCertificate",
                   r'with\(""\)'),
    "reflects": ("–", "AccountGrpcTest.TellsItsHealthAndNotItsMethods", r"of_reflection"),
    "any_message": ("–", "AccountSessionTest.SaysOverGrpcWhoseATokenIs", r"100'000"),
    "cl_te": ("–", "EdgeTest.EveryServiceAndTheEdgeRefuseWhatAttackersSendAndServeOn",
              r"product: CL and TE"),
    "open_edge": ("–", "EdgeTest.EveryServiceAndTheEdgeRefuseWhatAttackersSendAndServeOn",
                  r"Which is: 200\s+404\s+/metrics"),
    "read_then_write": (32, "LastUnit.IsBoughtByExactlyOneOfTwoHundred", r"winners=[2-9]"),
    "step_not_persisted": (30, "SagaCrash.BeforeAndAfterEachReplyLeavesEveryPurchaseOneEnd",
                           r"purchases without an end: [1-9]"),
    "no_idempotency_key": (31, "StripePayment.IsTakenOnceThoughEachStepTimesOutAfterItWasDone",
                           r"charged [2-9] times"),
    "unbounded_queue": (33, "Spike.OfTenTimesTheLoadIsTurnedAwayAndDrainedWithinAMinute",
                        r"an unbounded queue: \d+ connections at once"),
    "threads_kept_alive": ("–", "Server.GivesTheThreadsOfIdleConnectionsToThoseThatWait",
                           r"idle connections keep others waiting"),
    "traced_in_line": ("–", "Relay.WaitsForNoCollectorThatHangs",
                       r"a hanging collector delays events"),
    "watchdog_apart": ("–", "Relay.StopsFeedingTheWatchdogWhileItsMainLoopHangs",
                       r"the watchdog is fed while the main loop hangs"),
    "store_without_token": ("–", "CacheTest.StoresNoAnswerInRedisFromBeforeAnInvalidation",
                            r"stale: Redis holds what was invalidated"),
    "store_after_invalidation": ("–", "CacheTest.StoresNoAnswerInMemoryFromBeforeAnInvalidation",
                                 r"stale: memory holds what was invalidated"),
    "no_announcement": ("–", "ProductCacheTest.ShowsAChangeThoughWhoMadeItDiedBeforeItSaidSo",
                        r"stale though a change was announced"),
    "no_invalidation": ("–", "CacheTest.IsInvalidatedInEveryProcess",
                        r"stale where it was changed"),
    "unleased": ("–", "LeasedIdsTest.PassOverNumbersThatOthersHold",
                 r"two makers share a machine number"),
    "owner_before_cache": ("–", "OrderParticipant.ShowsAnOrderToItsOwnerOnly",
                           r"shown to a stranger, from memory"),
    "stock_from_cache": (32, "LastUnitCached.IsSoldByTheDatabaseWhateverIsRemembered",
                         r"a cache decided on stock"),
    "repeats_ignored": (26, "LastUnitCached.IsForgottenThoughWhoSoldItDiedBeforeItSaidSo",
                        r"stale after a crash"),
    "filter_by_its_fill": (
        "–", "FilterTest.KnowsACommitOlderThanItsLastQueryOfAnOlderTransaction",
        r"denied: an id that exists"),
    "full_filter_drops": ("–", "FilterKind/0.FindsEveryIdFarBeyondItsCapacity",
                          r"a full filter has lost ids"),
}


def command(bin_dir: pathlib.Path, test: str) -> list[str | pathlib.Path]:
    program = PROGRAMS.get(test.split(".")[0], "chaos_test")
    if program.endswith(".py"):
        return [sys.executable, "-B", SOURCE_DIR / program, test]
    return [bin_dir / program, f"--gtest_filter={test}"]


def run(bin_dir: pathlib.Path, test: str, mutant: str | None) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if name != "POSTROOM_MUTANT"}
    environment["POSTROOM_SOAK_MINUTES"] = "0"  # each of its faults once
    if mutant:
        environment["POSTROOM_MUTANT"] = mutant.split(":")[-1]
    try:
        done = subprocess.run(command(bin_dir, test), env=environment, text=True,
                              capture_output=True, timeout=TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as expired:
        return 124, (expired.stdout or b"").decode(errors="replace")
    return done.returncode, done.stdout + done.stderr


@functools.cache
def fails_unharmed(bin_dir: pathlib.Path, test: str) -> str | None:
    code, output = run(bin_dir, test, None)
    passed = code == 0 and re.search(r"\[  PASSED  \] 1 test|^Ran 1 test", output, re.M)
    return None if passed else output


def verdict(bin_dir: pathlib.Path, mutant: str) -> tuple[bool, str]:
    _, test, reason = MUTANTS[mutant]
    output = fails_unharmed(bin_dir, test)
    if output is not None:
        return False, f"{test} fails without the mutant:\n{output}"
    code, output = run(bin_dir, test, mutant)
    if code == 0:
        return False, f"survived {test}"
    # Both kinds of test end with 1 after a failed expectation; a crash or a time-out is something else.
    if code != 1 or not re.search(reason, output):
        return False, f"{test} failed, but not by /{reason}/:\n{output}"
    return True, test


def main() -> int:
    if "POSTROOM_BIN" not in os.environ:
        sys.exit("POSTROOM_BIN is not set: run ./ops/test mutants")
    unknown = [name for name in sys.argv[1:] if name not in MUTANTS]
    if unknown:
        sys.exit(f"unknown mutants {unknown}; known are {', '.join(MUTANTS)}")
    bin_dir = pathlib.Path(os.environ["POSTROOM_BIN"])
    chosen = sys.argv[1:] or list(MUTANTS)
    killed = 0
    for mutant in chosen:
        began = time.monotonic()
        is_killed, detail = verdict(bin_dir, mutant)
        killed += is_killed
        outcome = "killed" if is_killed else "NOT KILLED"
        seconds = time.monotonic() - began
        print(f"row {MUTANTS[mutant][0]:>2}  {mutant:<25} {outcome} in {seconds:.0f} s: {detail}",
              flush=True)
    print(f"mutants killed {killed}/{len(chosen)}", flush=True)
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
