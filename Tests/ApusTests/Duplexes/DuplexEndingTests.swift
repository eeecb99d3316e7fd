import Apus
import Loopback
import Testing

/// Slow sides, cancelled calls, and every way in which a raw duplex ends.
@Suite(.timeLimit(.minutes(5))) struct DuplexEndingTests {
    // MARK: Backpressure

    @Test(arguments: DuplexWay.allCases)
    func aReaderThatStopsStopsThePeer(_ variant: DuplexWay) async throws {
        let size = 64 << 20
        let script =
            try variant.agreement() + [
                .send(BodyPattern.bytes(size)), .signal("sent"), variant.peersEnd,
            ]
        try await withFaultStand([script], tuning: trustingTuning) { stand in
            let duplex = try await stand.duplex(variant)
            // Without a reader the peer cannot send everything; then a reader starts.
            #expect(await stand.peer.signal("sent", timeout: .milliseconds(300)) == false)
            var position = 0
            while let piece = try await duplex.read() {
                #expect(piece.count <= 512 * 1024)
                let expected = BodyPattern.bytes(piece.count, from: position)
                #expect(piece.array == expected, "differs near byte \(position)")
                position += piece.count
            }
            #expect(position == size)
            #expect(await stand.peer.signal("sent"))
            duplex.close()
            try await stand.expectNothingLeft()
        }
    }

    @Test(arguments: DuplexWay.allCases)
    func aPeerThatStopsReadingStopsTheWriter(_ variant: DuplexWay) async throws {
        let count = 64
        let piece = 1 << 20
        let script =
            try variant.agreement() + [
                .waitForSignal("read on"), .expectBytes(count * piece), variant.peersEnd,
                .readUntilEnd,
            ]
        try await withFaultStand([script], tuning: trustingTuning) { stand in
            let duplex = try await stand.duplex(variant)
            let written = Counter()
            let writer = Task {
                for index in 0..<count {
                    let bytes = BodyPattern.bytes(piece, from: index * piece)
                    try await duplex.write(Bytes(bytes))
                    written.add(1)
                }
                try await duplex.finish()
            }
            // The kernel's buffers take some of it, and nothing else does.
            try await Task.sleep(for: .milliseconds(300))
            #expect(written.value < count)
            stand.peer.release("read on")
            try await writer.value
            #expect(try await duplex.read() == nil)
            #expect(await stand.peer.connection(0) { $0.hasEnded })
            let received = stand.peer.transcript(0).received.suffix(count * piece)
            #expect(Array(received) == BodyPattern.bytes(count * piece))
            try await stand.expectNothingLeft()
        }
    }

    @Test func writersAtOnceKeepTheirBytesTogether() async throws {
        let (writers, piece) = (16, 300_000)
        let script =
            try DuplexWay.upgrade.agreement() + [.expectBytes(writers * piece), .readUntilEnd]
        try await withFaultStand([script]) { stand in
            let duplex = try await stand.duplex(.upgrade)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<writers {
                    group.addTask {
                        let bytes = [UInt8](repeating: UInt8(writer), count: piece)
                        try await duplex.write(Bytes(bytes))
                    }
                }
                try await group.waitForAll()
            }
            try await duplex.finish()
            #expect(await stand.peer.connection(0) { $0.hasEnded })
            let received = Array(stand.peer.transcript(0).received.suffix(writers * piece))
            var seen: Set<UInt8> = []
            for start in stride(from: 0, to: received.count, by: piece) {
                let part = received[start..<start + piece]
                #expect(part.allSatisfy { $0 == part[start] }, "a write was torn near \(start)")
                seen.insert(received[start])
            }
            #expect(seen.count == writers)
            duplex.close()
        }
    }

    // MARK: Cancellation

    @Test(arguments: DuplexWay.allCases)
    func aCancelledReadConsumesNothingAndTheNextContinues(_ variant: DuplexWay) async throws {
        let script =
            try variant.agreement() + [.waitForSignal("speak"), .sendText("late"), .readUntilEnd]
        try await withFaultStand([script], tuning: trustingTuning) { stand in
            let duplex = try await stand.duplex(variant)
            for _ in 0..<3 {
                let reader = Task { try await duplex.read() }
                try await Task.sleep(for: .milliseconds(5))
                reader.cancel()
                let error = await transportError { _ = try await reader.value }
                #expect(error?.kind == .cancelled)
            }
            stand.peer.release("speak")
            #expect(try await duplex.read(atLeast: 4) == "late")
            duplex.close()
            try await stand.expectNothingLeft()
        }
    }

    @Test func aCancelledWriteIsSentWholeOrNotAtAll() async throws {
        let large = 32 << 20
        let script =
            try DuplexWay.upgrade.agreement() + [
                .waitForSignal("read on"), .expectBytes(large + 4), .readUntilEnd,
            ]
        try await withFaultStand([script]) { stand in
            let duplex = try await stand.duplex(.upgrade)
            let begun = Task { try await duplex.write(Bytes(BodyPattern.bytes(large))) }
            // It has begun when the socket is full.
            try await fillSocket(connectedTo: stand.peer.port)
            let executor = stand.engine.taskExecutor
            let queued = Task(executorPreference: executor) {
                try await duplex.write(Bytes("never"))
            }
            // The loop runs jobs in order, so this runs after the steps of that write.
            for _ in 0..<10 { await Task(executorPreference: executor) {}.value }
            for writer in [queued, begun] {
                writer.cancel()
                let error = await transportError { try await writer.value }
                #expect(error?.kind == .cancelled)
                #expect(error?.phase == .send)
            }
            stand.peer.release("read on")
            try await duplex.write(Bytes("last"))
            try await duplex.finish()
            #expect(await stand.peer.connection(0) { $0.hasEnded })
            let received = stand.peer.transcript(0).received
            let tail = Array(received.suffix(large + 4))
            #expect(tail == BodyPattern.bytes(large) + Array("last".utf8))
            #expect(received.count < large + 4 + 200)
            duplex.close()
        }
    }

    // MARK: Ends

    @Test(arguments: DuplexWay.allCases)
    func closingEndsTheReadThatWaitsAndIsIdempotent(_ variant: DuplexWay) async throws {
        let script = try variant.agreement() + [.readUntilEnd]
        try await withFaultStand([script], tuning: trustingTuning) { stand in
            let duplex = try await stand.duplex(variant)
            let reader = Task { try await duplex.read() }
            try await Task.sleep(for: .milliseconds(20))
            duplex.close()
            duplex.close()
            let error = await transportError { _ = try await reader.value }
            #expect(error?.kind == .cancelled)
            for _ in 0..<2 {
                #expect(await transportError { _ = try await duplex.read() }?.isCancelled == true)
                #expect(
                    await transportError { try await duplex.write(Bytes("x")) }?.isCancelled == true
                )
                #expect(await transportError { try await duplex.finish() }?.isCancelled == true)
            }
            #expect(await stand.peer.connection(0) { $0.hasEnded })
            try await stand.expectNothingLeft()
            #expect(stand.closes.all == [.upgraded])
        }
    }

    @Test func closingMeetsTheReadAtAnyMoment() async throws {
        let peer = try ScriptedPeer(everyConnection: [.readUntilEnd])
        defer { peer.stop() }
        try await withEngine(ports: [peer.port]) { engine in
            let ended = Counter()
            let rounds = 300
            for round in 0..<rounds {
                let duplex = try await engine.dialTunnel(to: "127.0.0.1:\(peer.port)")
                Task {
                    let error = await transportError { _ = try await duplex.read() }
                    #expect(error?.isCancelled == true)
                    ended.add(1)
                }
                for _ in 0..<round % 30 { await Task.yield() }
                duplex.close()
            }
            try await eventually("each read has ended") { ended.value == rounds }
        }
    }

    @Test(arguments: DuplexWay.allCases)
    func lettingGoCloses(_ variant: DuplexWay) async throws {
        let script = try variant.agreement() + [.readUntilEnd]
        try await withFaultStand([script, script], tuning: trustingTuning) { stand in
            var duplex: Duplex? = try await stand.duplex(variant)
            #expect(duplex != nil)
            duplex = nil
            // A response whose duplex was not used.
            let (request, options) = try stand.duplexRequest(variant)
            _ = try await stand.engine.send(request, options: options)
            #expect(await stand.peer.connection(1) { $0.hasEnded })
            #expect(await stand.peer.connection(0) { $0.hasEnded })
            try await stand.expectNothingLeft()
            #expect(stand.closes.all == [.upgraded, .upgraded])
        }
    }

    @Test func aResetComesAfterEverythingReceived() async throws {
        let script =
            try DuplexWay.upgrade.agreement(tail: "all ") + [
                .expectBytes(1), .sendText("of it"), .reset,
            ]
        try await withFaultStand([script]) { stand in
            let duplex = try await stand.duplex(.upgrade)
            try await duplex.write(Bytes("x"))
            #expect(await stand.peer.connection(0) { $0.isClosed })
            #expect(try await duplex.read(atLeast: 9) == "all of it")
            for _ in 0..<2 {
                let error = await transportError { _ = try await duplex.read() }
                #expect(error?.kind == .reset)
                #expect(error?.bytesReceived == 9)
                #expect(error?.bytesSent == 1)
                #expect(error?.replay == .responseStarted)
            }
            #expect(await transportError { try await duplex.write(Bytes("y")) }?.kind == .reset)
            try await stand.expectNothingLeft()
            #expect(stand.closes.all == [.transportError])
        }
    }

    @Test func aWriterGetsAResetWithoutAReader() async throws {
        let script = try DuplexWay.upgrade.agreement() + [.waitForSignal("enough"), .reset]
        try await withFaultStand([script]) { stand in
            let duplex = try await stand.duplex(.upgrade)
            let writer = Task { try await duplex.write(Bytes(BodyPattern.bytes(64 << 20))) }
            try await Task.sleep(for: .milliseconds(50))
            stand.peer.release("enough")
            let error = await transportError { try await writer.value }
            #expect(error?.kind == .reset)
            #expect(await transportError { _ = try await duplex.read() }?.kind == .reset)
            try await stand.expectNothingLeft()
        }
    }

    @Test func anEndWithoutCloseNotifyIsTruncated() async throws {
        let script = try DuplexWay.upgradeOverTLS.agreement(tail: "some") + [.close]
        try await withFaultStand([script], tuning: trustingTuning) { stand in
            let duplex = try await stand.duplex(.upgradeOverTLS)
            #expect(try await duplex.read(atLeast: 4) == "some")
            let error = await transportError { _ = try await duplex.read() }
            #expect(error?.kind == .truncated || error?.kind == .reset)
            try await stand.expectNothingLeft()
        }
    }

    @Test func theEngineWaitsForADuplexAndThenCutsIt() async throws {
        let script = try DuplexWay.upgrade.agreement() + [.readUntilEnd]
        try await withFaultStand([script]) { stand in
            let duplex = try await stand.duplex(.upgrade)
            let reader = Task { try await duplex.read() }
            let cut = await stand.engine.shutdown(drain: .milliseconds(50))
            #expect(cut.count == 1)
            #expect(await transportError { _ = try await reader.value }?.kind == .shutdown)
            // The loop is gone; calls still end.
            #expect(await transportError { _ = try await duplex.read() }?.kind == .shutdown)
            #expect(await transportError { try await duplex.write(Bytes("x")) }?.kind == .shutdown)
            duplex.close()
            #expect(stand.closes.all == [.shutdown])
        }
    }

    @Test func aConnectionsLimitCountsADuplex() async throws {
        let script = try DuplexWay.upgrade.agreement() + [.readUntilEnd]
        var tuning = relaxedTuning
        tuning.pool.maxConnectionsPerHost = 1
        try await withFaultStand([script], tuning: tuning) { stand in
            let duplex = try await stand.duplex(.upgrade)
            let (request, options) = try stand.duplexRequest(.upgrade)
            let second = Task { try await stand.engine.send(request, options: options).status.code }
            try await eventually("the second waits") { stand.engine.snapshot().waiting == 1 }
            duplex.close()
            #expect(try await second.value == 200)
            #expect(stand.peer.connectionCount == 2)
        }
    }

    @Test func theRequestsTimeoutsEndWithTheUpgrade() async throws {
        let script =
            try DuplexWay.upgrade.agreement() + [.expectBytes(1), .sendText("still here")]
        let stand = try FaultStand([[ScriptedPeer.Step]](repeating: script, count: 20))
        var (request, options) = try stand.duplexRequest(.upgrade)
        options.totalTimeout = .milliseconds(500)
        options.headTimeout = .milliseconds(500)
        options.readIdleTimeout = .milliseconds(100)
        // A busy machine may need more than that for the upgrade itself.
        var duplex: Duplex?
        for _ in 0..<20 where duplex == nil {
            duplex = try? await stand.engine.send(request, options: options).duplex
        }
        request.path = "/unused"
        let upgraded = try #require(duplex)
        try await Task.sleep(for: .milliseconds(700))
        try await upgraded.write(Bytes("x"))
        #expect(try await upgraded.read(atLeast: 10) == "still here")
        upgraded.close()
        await stand.close()
    }
}
