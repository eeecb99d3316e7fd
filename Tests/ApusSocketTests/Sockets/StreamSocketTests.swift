import ApusCore
import ApusSocket
import Glibc
import Testing

/// Sockets against a peer made of plain system calls: bytes, ends, errors, options.
@Suite(.timeLimit(.minutes(5))) struct StreamSocketTests {
    // MARK: Connecting

    @Test func bothSidesHearEachOther() throws {
        let connection = try Connection()
        var buffer = [UInt8](repeating: 0, count: 16)
        #expect(try connection.ours.read(into: &buffer) == .wouldBlock)
        connection.send([1, 2, 3])
        #expect(isReady(connection.ours.descriptor.number, for: POLLIN))
        #expect(try connection.ours.read(into: &buffer) == .bytes(3))
        #expect(buffer.prefix(4) == [1, 2, 3, 0])
        #expect(try connection.ours.read(into: &buffer) == .wouldBlock)

        #expect(try [7, 8].withSpan { try connection.ours.write($0) } == 2)
        #expect(connection.receive() == [7, 8])
    }

    @Test func aReadTakesNoMoreThanTheBufferHolds() throws {
        let connection = try Connection()
        connection.send([1, 2, 3])
        var buffer = [UInt8](repeating: 0, count: 2)
        #expect(isReady(connection.ours.descriptor.number, for: POLLIN))
        #expect(try connection.ours.read(into: &buffer) == .bytes(2))
        #expect(buffer == [1, 2])
        #expect(try connection.ours.read(into: &buffer) == .bytes(1))
        #expect(buffer == [3, 2])
    }

    @Test func aClosedPortRefuses() throws {
        let address = try Listener().address
        let error = #expect(throws: SystemError.self) {
            let socket = try StreamSocket(for: address, tuning: .init())
            if try !socket.startConnecting(to: address) {
                #expect(isReady(socket.descriptor.number, for: POLLOUT))
                try socket.finishConnecting()
            }
        }
        #expect(error == SystemError(errno: ECONNREFUSED, call: "connect"))
    }

    @Test func aUnixSocketConnects() throws {
        let path = "/tmp/apus-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        let listener = try Listener(path: path)
        defer { unlink(path) }
        let socket = try StreamSocket(for: listener.address, tuning: .init())
        #expect(try socket.startConnecting(to: listener.address))
        try socket.finishConnecting()
        let peer = FileDescriptor(try listener.accepted())
        #expect(try [9].withSpan { try socket.write($0) } == 1)
        var byte: UInt8 = 0
        #expect(recv(peer.number, &byte, 1, 0) == 1)
        #expect(byte == 9)
    }

    @Test func aUnixPathWithoutAListenerRefuses() throws {
        let address = try #require(SocketAddress(unixPath: "/tmp/apus-missing-\(getpid())"))
        let socket = try StreamSocket(for: address, tuning: .init())
        let error = #expect(throws: SystemError.self) { try socket.startConnecting(to: address) }
        #expect(error == SystemError(errno: ENOENT, call: "connect"))
    }

    // MARK: Ends

    @Test func lettingGoOfASocketClosesIt() throws {
        let listener = try Listener()
        var socket: StreamSocket? = try StreamSocket(for: listener.address, tuning: .init())
        _ = try socket?.startConnecting(to: listener.address)
        let peer = FileDescriptor(try listener.accepted())
        socket = nil
        var byte: UInt8 = 0
        #expect(recv(peer.number, &byte, 1, 0) == 0)
    }

    @Test func theirEndIsReadAfterTheirBytes() throws {
        let connection = try Connection()
        connection.send([1])
        let socket = connection.close()
        var buffer = [UInt8](repeating: 0, count: 4)
        #expect(isReady(socket.descriptor.number, for: POLLIN))
        #expect(try socket.read(into: &buffer) == .bytes(1))
        #expect(comesTrue { (try? socket.read(into: &buffer)) == .end })
    }

    @Test func ourEndIsReadByThem() throws {
        let connection = try Connection()
        connection.ours.shutdownWriting()
        #expect(connection.receive().isEmpty)
        connection.send([5])
        var buffer = [UInt8](repeating: 0, count: 4)
        #expect(isReady(connection.ours.descriptor.number, for: POLLIN))
        #expect(try connection.ours.read(into: &buffer) == .bytes(1))
    }

    @Test func writingToAPeerThatIsGoneIsAnErrorAndNoSignal() throws {
        let connection = try Connection()
        let socket = connection.close()
        var failure: SystemError?
        #expect(
            comesTrue {
                do throws(SystemError) {
                    _ = try [1].withSpan { (span) throws(SystemError) in try socket.write(span) }
                } catch {
                    failure = error
                }
                return failure?.errno == EPIPE
            })
        #expect(failure?.call == "send")
    }

    @Test func writingAfterOurOwnEndIsAnErrorAndNoSignal() throws {
        let connection = try Connection()
        connection.ours.shutdownWriting()
        let error = #expect(throws: SystemError.self) {
            try [1].withSpan { try connection.ours.write($0) }
        }
        #expect(error == SystemError(errno: EPIPE, call: "send"))
    }

    @Test func aResetIsAnErrorOfReading() throws {
        let socket = try Connection().reset()
        var buffer = [UInt8](repeating: 0, count: 4)
        #expect(isReady(socket.descriptor.number, for: POLLIN))
        let error = #expect(throws: SystemError.self) { try socket.read(into: &buffer) }
        #expect(error == SystemError(errno: ECONNRESET, call: "recv"))
    }

    @Test func aResetAfterTheEndDiffersFromOneWithoutIt() throws {
        let reset = try Connection().reset()
        var error: SystemError?
        #expect(
            comesTrue {
                error = reset.takeError()
                return error != nil
            })
        #expect(error?.errno == ECONNRESET && error?.isResetAfterEnd == false)
        #expect(reset.takeError() == nil, "it is taken")

        let ended = try Connection().close()
        #expect(comesTrue { ended.hasPendingInput() })
        #expect(ended.takeError() == nil)
        #expect(try [1].withSpan { try ended.write($0) } == 1)
        #expect(
            comesTrue {
                error = ended.takeError()
                return error != nil
            })
        #expect(error?.errno == EPIPE && error?.isResetAfterEnd == true)
        #expect(ended.unacknowledgedCount == 1)
        #expect(try #require(ended.retransmissionTimeout) > .zero)
    }

    @Test func aFullSocketTakesNothingUntilThePeerReads() throws {
        let connection = try Connection()
        let piece = [UInt8](repeating: 1, count: 256 * 1024)
        var sent = 0
        while true {
            let count = try piece.withSpan { try connection.ours.write($0) }
            guard count > 0 else { break }
            sent += count
        }
        #expect(sent > 0)
        var received = 0
        while received < sent { received += connection.receive(atMost: 1 << 20).count }
        #expect(received == sent)
        #expect(isReady(connection.ours.descriptor.number, for: POLLOUT))
        #expect(try piece.withSpan { try connection.ours.write($0) } > 0)
    }

    // MARK: Many pieces at once

    @Test func longPiecesAndShortOnesLeaveInOneCall() throws {
        let connection = try Connection()
        var bytes = OutgoingBytes()
        var expected: [UInt8] = []
        for count in [9, 20_000, 9, 3, 30_000, 16_385, 0, 1] {
            let piece = [UInt8](repeating: UInt8(count % 251), count: count)
            bytes.append(Bytes(piece))
            expected += piece
        }
        #expect(try connection.ours.write(bytes) == expected.count)
        var received: [UInt8] = []
        while received.count < expected.count { received += connection.receive() }
        #expect(received == expected)
    }

    @Test func longPiecesFindAFullSocket() throws {
        let connection = try Connection()
        let piece = Bytes([UInt8](repeating: 1, count: 1 << 20))
        var bytes = OutgoingBytes()
        for _ in 0..<64 { bytes.append(piece) }
        let sent = try connection.ours.write(bytes)
        #expect(sent > 0 && sent < bytes.count)
        var received = 0
        while received < sent { received += connection.receive(atMost: 1 << 20).count }
        #expect(received == sent)
        connection.ours.shutdownWriting()
        #expect(throws: SystemError(errno: EPIPE, call: "sendmsg")) {
            try connection.ours.write(bytes)
        }
    }

    // MARK: Pending input

    @Test func pendingInputIsSeenAndNotTaken() throws {
        let connection = try Connection()
        #expect(!connection.ours.hasPendingInput())
        connection.send([1, 2])
        #expect(isReady(connection.ours.descriptor.number, for: POLLIN))
        #expect(connection.ours.hasPendingInput())
        #expect(connection.ours.hasPendingInput())
        var buffer = [UInt8](repeating: 0, count: 4)
        #expect(try connection.ours.read(into: &buffer) == .bytes(2))
        #expect(!connection.ours.hasPendingInput())
    }

    @Test func anEndAndAResetCountAsPendingInput() throws {
        let ended = try Connection().close()
        #expect(comesTrue { ended.hasPendingInput() })
        let reset = try Connection().reset()
        #expect(comesTrue { reset.hasPendingInput() })
    }

    @Test func aClosedWindowDiffersFromBytesInFlight() throws {
        let connection = try Connection()
        #expect(connection.ours.sendState == .empty)
        let written = try connection.fill()
        let socket = connection.ours
        #expect(
            comesTrue {
                if case .held = socket.sendState { true } else { false }
            })
        var received = 0
        while received < written { received += connection.receive().count }
        #expect(comesTrue { socket.sendState == .empty })
    }

    @Test func theUserTimeoutIsLiftedAndSetAgain() throws {
        var tuning = EngineTuning.Dial()
        tuning.userTimeout = .milliseconds(12_345)
        let socket = try Connection(tuning: tuning).ours
        socket.liftUserTimeout(true)
        #expect(option(socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == 0)
        socket.liftUserTimeout(false)
        #expect(option(socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == 12_345)
    }

    // MARK: Options

    @Test func theTuningsOptionsAreSet() throws {
        var tuning = EngineTuning.Dial()
        tuning.keepAlive = .seconds(21)
        tuning.userTimeout = .milliseconds(12_345)
        let socket = try Connection(tuning: tuning).ours
        let tcp = Int32(IPPROTO_TCP)
        #expect(option(socket, tcp, TCP_NODELAY) == 1)
        #expect(option(socket, SOL_SOCKET, SO_KEEPALIVE) == 1)
        #expect(option(socket, tcp, TCP_KEEPIDLE) == 21)
        #expect(option(socket, tcp, TCP_KEEPINTVL) == 21)
        #expect(option(socket, tcp, TCP_KEEPCNT) == 3)
        #expect(option(socket, tcp, TCP_USER_TIMEOUT) == 12_345)
        #expect(option(socket, tcp, TCP_NOTSENT_LOWAT) == 128 * 1024)
    }

    @Test func whatWaitsUnsentInTheSystemIsBounded() throws {
        // SIOCOUTQNSD: bytes that were written and not sent.
        let unsentRequest = UInt(0x894B)
        let connection = try Connection()
        #expect(try connection.fill() > 0)
        var unsent: Int32 = 0
        #expect(ioctl(connection.ours.descriptor.number, unsentRequest, &unsent) == 0)
        #expect(unsent > 0)
        // The bound is looked at between the pieces into which the system cuts.
        #expect(unsent <= 2 * 128 * 1024)
    }

    @Test func whatTheTuningTurnsOffStaysOff() throws {
        var tuning = EngineTuning.Dial()
        tuning.keepAlive = nil
        tuning.userTimeout = nil
        tuning.unsentBytes = nil
        let socket = try Connection(tuning: tuning).ours
        #expect(option(socket, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT) == 0)
        #expect(option(socket, Int32(IPPROTO_TCP), TCP_NODELAY) == 1)
        #expect(option(socket, SOL_SOCKET, SO_KEEPALIVE) == 0)
        #expect(option(socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == 0)
    }

    @Test func aKeepAliveBelowASecondIsASecond() throws {
        var tuning = EngineTuning.Dial()
        tuning.keepAlive = .milliseconds(10)
        let socket = try Connection(tuning: tuning).ours
        #expect(option(socket, Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 1)
    }

    @Test func timesBeyondWhatTheKernelTakesAreClamped() throws {
        var tuning = EngineTuning.Dial()
        tuning.keepAlive = .seconds(Int64.max)
        tuning.userTimeout = .seconds(Int64.max)
        let socket = try Connection(tuning: tuning).ours
        #expect(option(socket, Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 32_767)
        #expect(option(socket, Int32(IPPROTO_TCP), TCP_KEEPINTVL) == 32_767)
        #expect(option(socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == .max)
    }

    @Test func theDescriptorNeverBlocksAndIsNotInherited() throws {
        for address in [
            SocketAddress(literal: "127.0.0.1", port: 1), SocketAddress(literal: "::1", port: 1),
            SocketAddress(unixPath: "/tmp/a"),
        ] {
            let socket = try StreamSocket(for: try #require(address), tuning: .init())
            #expect(fcntl(socket.descriptor.number, F_GETFD) & FD_CLOEXEC != 0)
            #expect(fcntl(socket.descriptor.number, F_GETFL) & O_NONBLOCK != 0)
        }
    }

    @Test func theLocalAddressIsBound() throws {
        var tuning = EngineTuning.Dial()
        tuning.localAddress = "127.0.0.2"
        let socket = try Connection(tuning: tuning).ours
        var local = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &local) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(socket.descriptor.number, $0, &length)
            }
        }
        #expect(result == 0)
        #expect(UInt32(bigEndian: local.sin_addr.s_addr) == 0x7F00_0002)
    }

    @Test(arguments: [
        ("localhost", EINVAL), ("", EINVAL), ("203.0.113.1", EADDRNOTAVAIL), ("::1", EINVAL),
    ])
    func aLocalAddressThatCannotBeBoundIsAnError(literal: String, code: Int32) throws {
        var tuning = EngineTuning.Dial()
        tuning.localAddress = literal
        let address = try #require(SocketAddress(literal: "127.0.0.1", port: 1))
        let error = #expect(throws: SystemError.self) {
            try StreamSocket(for: address, tuning: tuning)
        }
        #expect(error?.call == "bind")
        // The kernel has two words for an address of the wrong family.
        #expect(error?.errno == code || (literal == "::1" && error?.errno == EAFNOSUPPORT))
    }

    private func option(_ socket: StreamSocket, _ level: Int32, _ name: Int32) -> Int32 {
        var value: Int32 = -1
        var length = socklen_t(MemoryLayout<Int32>.size)
        #expect(getsockopt(socket.descriptor.number, level, name, &value, &length) == 0)
        return value
    }
}
