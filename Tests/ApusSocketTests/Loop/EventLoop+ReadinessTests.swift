import ApusCore
import ApusSocket
import Glibc
import LoopFixtures
import Testing

/// Notes each call, and does what the test wants besides.
private final class Watcher: ReadinessHandler {
    var seen: [Readiness] = []
    var noticed: [Readiness] = []
    var action: (Readiness) -> Void = { _ in }

    func readinessChanged(_ readiness: Readiness) {
        seen.append(readiness)
        action(readiness)
    }

    func readinessNoticed(_ readiness: Readiness) { noticed.append(readiness) }
}

/// Notes each flush.
private final class Flusher: Flushable {
    var flushes = 0
    var action: () -> Void = {}

    func flush() {
        flushes += 1
        action()
    }
}

/// Descriptors' readiness reaches its handler, and flushes come at a tick's end.
@Suite(.timeLimit(.minutes(5))) struct EventLoopReadinessTests {
    @Test func readinessIsReportedOnTheLoop() async throws {
        try await withLoop { loop in
            let connection = try Connection()
            let (ours, theirs) = (connection.ours, connection.theirs.number)
            let watcher = LoopBound(Watcher())
            await loop.wait { done in
                watcher.value.action = { readiness in
                    guard readiness.isReadable else { return }
                    #expect(loop.isCurrent)
                    watcher.value.action = { _ in }
                    done()
                }
                register(ours, on: loop, watcher.value)
                #expect(write(theirs, "x", 1) == 1)
            }
            let first = await loop.run { watcher.value.seen.first }
            #expect(first?.isWritable == true)
        }
    }

    @Test func aLookNotesWhatIsReportedInTheNextTick() async throws {
        try await withLoop { loop in
            let connection = try Connection()
            let (ours, theirs) = (connection.ours, connection.theirs.number)
            let watcher = LoopBound(Watcher())
            await loop.wait { done in
                watcher.value.action = { _ in done() }
                register(ours, on: loop, watcher.value)
            }
            await loop.wait { done in
                watcher.value.seen = []
                watcher.value.action = { readiness in
                    // What is polled while readiness is reported could not be noted.
                    #expect(!loop.look())
                    if readiness.isReadable { done() }
                }
                #expect(write(theirs, "x", 1) == 1)
                #expect(loop.look())
                #expect(watcher.value.noticed.last?.isReadable == true)
                #expect(watcher.value.seen.isEmpty)
            }
            let (noticed, seen) = await loop.run {
                watcher.value.action = { _ in }
                return (watcher.value.noticed.count, watcher.value.seen.count)
            }
            #expect(noticed == 1 && seen == 1)
        }
    }

    @Test func aLookNotesNothingOfADescriptorThatIsNoLongerRegistered() async throws {
        try await withLoop { loop in
            let connection = try Connection()
            let (ours, theirs) = (connection.ours, connection.theirs.number)
            let watcher = LoopBound(Watcher())
            await loop.run {
                do throws(SystemError) {
                    let token = try loop.register(ours.descriptor, handler: watcher.value)
                    #expect(write(theirs, "x", 1) == 1)
                    #expect(loop.look())
                    loop.deregister(ours.descriptor, token: token)
                } catch {
                    Issue.record(error)
                }
            }
            for _ in 0..<20 { _ = await loop.run {} }
            #expect(await loop.run { watcher.value.noticed.count } == 1)
            #expect(await loop.run { watcher.value.seen.count } == 0)
        }
    }

    @Test func anEndOfStreamIsAHangUp() async throws {
        try await withLoop { loop in
            let connection = try Connection()
            let (ours, theirs) = (connection.ours, connection.theirs.number)
            let watcher = LoopBound(Watcher())
            await loop.wait { done in
                watcher.value.action = { readiness in
                    guard readiness.isHungUp else { return }
                    watcher.value.action = { _ in }
                    done()
                }
                register(ours, on: loop, watcher.value)
                shutdown(theirs, Int32(SHUT_WR))
            }
        }
    }

    @Test func afterDeregisteringNothingIsReported() async throws {
        try await withLoop { loop in
            let connection = try Connection()
            let (ours, theirs) = (connection.ours, connection.theirs.number)
            let watcher = LoopBound(Watcher())
            let count = await loop.run {
                do throws(SystemError) {
                    let token = try loop.register(ours.descriptor, handler: watcher.value)
                    loop.deregister(ours.descriptor, token: token)
                    // An old token is harmless.
                    loop.deregister(ours.descriptor, token: token)
                } catch {
                    Issue.record(error)
                }
                #expect(write(theirs, "x", 1) == 1)
                return watcher.value.seen.count
            }
            for _ in 0..<20 { _ = await loop.run {} }
            #expect(await loop.run { watcher.value.seen.count } == count)
        }
    }

    @Test func aReusedSlotGetsNoEventsOfItsPredecessor() async throws {
        try await withLoop { loop in
            let first = try Connection()
            let second = try Connection()
            let (one, two) = (first.ours, second.ours)
            let peer = first.theirs.number
            let (old, new) = (LoopBound(Watcher()), LoopBound(Watcher()))
            await loop.wait { done in
                do throws(SystemError) {
                    let token = try loop.register(one.descriptor, handler: old.value)
                    loop.deregister(one.descriptor, token: token)
                    let other = try loop.register(two.descriptor, handler: new.value)
                    #expect(token != other)
                    // The stale token must not end the new registration.
                    loop.deregister(two.descriptor, token: token)
                } catch {
                    Issue.record(error)
                }
                #expect(write(peer, "x", 1) == 1)
                new.value.action = { readiness in
                    #expect(!readiness.isReadable)
                    done()
                }
            }
            #expect(await loop.run { old.value.seen.isEmpty })
        }
    }

    @Test func aRefusedRegistrationIsAnErrorAndLeavesItsSlotFree() async throws {
        try await withLoop { loop in
            let ours = try Connection().ours
            let watcher = LoopBound(Watcher())
            let errors = await loop.run {
                var errors: [Int32] = []
                for _ in 0..<2 {
                    do throws(SystemError) {
                        _ = try loop.register(ours.descriptor, handler: watcher.value)
                    } catch {
                        errors.append(error.errno)
                    }
                }
                return errors
            }
            #expect(errors == [EEXIST])
        }
    }

    @Test func flushesComeOnceAtTheEndOfTheTick() async throws {
        try await withLoop { loop in
            let flusher = LoopBound(Flusher())
            let counts = Recorder<Int>()
            await loop.wait { done in
                flusher.value.action = done
                // Two of one tick: what was there when it began.
                loop.execute {
                    loop.scheduleFlush(flusher.value)
                    counts.record(flusher.value.flushes)
                }
                loop.execute { counts.record(flusher.value.flushes) }
            }
            #expect(counts.values == [0, 0])
            #expect(await loop.run { flusher.value.flushes } == 1)
        }
    }

    @Test func workThatAddsToItselfLeavesDescriptorsTheirTurn() async throws {
        try await withLoop { loop in
            let connection = try Connection()
            let ours = connection.ours
            let watcher = LoopBound(Watcher())
            let steps = Recorder<Int>()
            await loop.wait { done in
                @Sendable func step(_ index: Int) {
                    steps.record(index)
                    // Work without end would hang a loop that runs it all first.
                    guard watcher.value.seen.isEmpty, index < 1_000_000 else { return done() }
                    loop.execute { step(index + 1) }
                }
                // Writable at once.
                register(ours, on: loop, watcher.value)
                step(0)
            }
            #expect(steps.values == [0, 1])
        }
    }

    @Test func flushesThatAskForThemselvesLeaveDescriptorsTheirTurn() async throws {
        try await withLoop { loop in
            let connection = try Connection()
            let ours = connection.ours
            let watcher = LoopBound(Watcher())
            let flusher = LoopBound(Flusher())
            await loop.wait { done in
                flusher.value.action = {
                    guard watcher.value.seen.isEmpty, flusher.value.flushes < 1_000_000 else {
                        // The closure holds its owner.
                        flusher.value.action = {}
                        return done()
                    }
                    loop.scheduleFlush(flusher.value)
                }
                register(ours, on: loop, watcher.value)
                loop.scheduleFlush(flusher.value)
            }
            #expect(await loop.run { flusher.value.flushes } == 2)
        }
    }

    @Test func aFlushMayAskForAnother() async throws {
        try await withLoop { loop in
            let (first, second) = (LoopBound(Flusher()), LoopBound(Flusher()))
            await loop.wait { done in
                first.value.action = { loop.scheduleFlush(second.value) }
                second.value.action = done
                loop.scheduleFlush(first.value)
            }
        }
    }
}

private func register(_ socket: StreamSocket, on loop: EventLoop, _ handler: Watcher) {
    do throws(SystemError) {
        _ = try loop.register(socket.descriptor, handler: handler)
    } catch {
        Issue.record(error)
    }
}
