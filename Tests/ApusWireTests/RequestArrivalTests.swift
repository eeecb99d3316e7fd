import ApusSocket
import Glibc
import Testing

@testable import ApusWire

/// Which ends of a connection prove that a request on it was not received.
@Suite struct RequestArrivalTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var arrival = RequestArrival(
            written: 500, acknowledged: 0, hasSpeakerEnded: true, reset: .afterEnd,
            retransmissionTimeout: nil)
        let verdict: RequestArrival.Verdict

        init(
            _ description: String, _ verdict: RequestArrival.Verdict,
            _ change: (inout RequestArrival) -> Void = { _ in }
        ) {
            testDescription = description
            self.verdict = verdict
            change(&arrival)
        }
    }

    private static let samples = [
        Sample("an end, then a reset, and nothing acknowledged", .notReceived),
        Sample("one byte is acknowledged", .unknown) { $0.acknowledged = 1 },
        Sample("all is acknowledged", .unknown) { $0.acknowledged = 500 },
        Sample("nothing was written", .unknown) { $0.written = 0 },
        Sample("the end was not the speaker's", .unknown) { $0.hasSpeakerEnded = false },
        Sample("a reset without an end before it", .unknown) { $0.reset = .other },
        Sample("a reset may follow", .undecided) { $0.reset = .none },
        Sample("no reset, and one byte is acknowledged", .unknown) {
            $0.reset = .none
            $0.acknowledged = 1
        },
        Sample("no reset, and the end was not the speaker's", .unknown) {
            $0.reset = .none
            $0.hasSpeakerEnded = false
        },
    ]

    @Test(arguments: samples)
    func verdict(_ sample: Sample) {
        #expect(sample.arrival.verdict == sample.verdict)
    }

    @Test(
        "the patience lasts for one retransmission, and is bounded",
        arguments: [
            (nil, .seconds(2)), (.milliseconds(200), .milliseconds(400)), (.zero, .zero),
            (.milliseconds(1000), .seconds(2)), (.seconds(60), .seconds(2)),
        ] as [(Duration?, Duration)])
    func patience(_ timeout: Duration?, _ patience: Duration) {
        let arrival = RequestArrival(
            written: 1, acknowledged: 0, hasSpeakerEnded: true, reset: .none,
            retransmissionTimeout: timeout)
        #expect(arrival.patience == patience)
    }

    private static func failed(_ errno: Int32) -> WireError {
        .system(SystemError(errno: errno, call: "recv"))
    }

    /// What reading, sending and the socket report, and the reset that it was.
    private static let reports: [(WireEnding?, WireError?, Int32?, RequestArrival.Reset)] = [
        (nil, nil, nil, .none), (.fin, nil, nil, .none), (.closeNotify, nil, nil, .none),
        (.fin, nil, EPIPE, .afterEnd), (.closeNotify, nil, EPIPE, .afterEnd),
        (nil, nil, EPIPE, .afterEnd), (.fin, nil, ECONNRESET, .other),
        (.fin, nil, ETIMEDOUT, .other), (.fin, failed(EPIPE), nil, .afterEnd),
        // After a reset that sending has met, reading gives an end as well.
        (.fin, failed(ECONNRESET), nil, .other), (.fin, failed(ECONNRESET), EPIPE, .other),
        (.failed(failed(ECONNRESET)), failed(EPIPE), EPIPE, .other),
        (.failed(failed(ECONNRESET)), nil, nil, .other),
        (.fin, .layerTakesNoMore, EPIPE, .afterEnd),
    ]

    @Test("only the first error of a socket says what happened", arguments: reports.indices)
    func reset(_ index: Int) {
        let (read, sent, left, reset) = Self.reports[index]
        let error = left.map { SystemError(errno: $0, call: "getsockopt") }
        #expect(MetReset.reset(read: read, sent: sent) { error } == reset)
    }
}
