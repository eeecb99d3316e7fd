import Foundation
import Loopback
import Testing

/// The tool with a library preloaded that lets the wall clock jump by an hour at each look.
@Suite(
    "clock jumps", .timeLimit(.minutes(5)),
    .enabled(
        if: Programs.apus != nil && CCompiler.path != nil, "the tool, or a C compiler, is missing"),
    .serialized)
struct ClockJumpTests {
    @Test("row 98: no deadline passes early or late when the wall clock jumps")
    func deadlinesIgnoreTheWallClock() async throws {
        let origin = try LoopbackServer()
        defer { origin.stop() }
        let url = "http://localhost:\(origin.port)"
        let (served, _) = try await ToolRun.of(
            ["fetch", "--json", "--repeat", "3", "-m", "30", "\(url)/delay/200"],
            preloading: "faults/clockjump.c", countingIn: "CLOCKJUMP_COUNTS")
        #expect(served.code == 0, "\(served.errors)")
        #expect(try served.records().compactMap { $0["status"] as? Int } == [200, 200, 200])

        let started = ContinuousClock.now
        let (late, _) = try await ToolRun.of(
            ["fetch", "--json", "-m", "0.3", "\(url)/hang"],
            preloading: "faults/clockjump.c", countingIn: "CLOCKJUMP_COUNTS")
        #expect(late.code != 0)
        // An hour would be the jump; the rest is the machine's.
        #expect(ContinuousClock.now - started < .seconds(120))
    }
}
