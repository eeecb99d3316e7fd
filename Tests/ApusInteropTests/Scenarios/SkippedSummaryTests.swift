import Foundation
import Loopback
import Testing

/// `.ci/skipped`, which lists what a run skipped, at the end of `make test`.
@Suite struct SkippedSummaryTests {
    /// What Swift Testing writes, in its own order.
    private static let results = """
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites>
          <testsuite name="TestResults" errors="0" tests="3" failures="1" skipped="4" time="0.1">
            <testcase classname="A.CaddyTests" name="answers(_:_:)" >
              <skipped>caddy is not installed</skipped>
            </testcase>
            <testcase classname="A.LeakTests" name="leaks()" >
              <skipped>&lt;a&gt; &amp; &quot;b&quot;</skipped>
            </testcase>

            <testcase classname="A.MemoryTests" name="caddy(_:)" >
              <skipped>caddy is not installed</skipped>
            </testcase>
            <testcase classname="A.CaddyTests" name="secures(_:_:)" >
              <skipped>caddy is not installed</skipped>
            </testcase>
            <testcase classname="A.LeakTests" name="fails()" time="0.5">
              <failure message="Expectation failed" />
            </testcase>
            <testcase classname="A.LeakTests" name="passes()" time="0.000398875" />
          </testsuite>
        </testsuites>
        """

    @Test func eachSkippedTestIsListedUnderItsReason() async throws {
        #expect(
            try await Self.summary(of: Self.results) == """
                skipped tests: 4 of 6
                  <a> & "b"
                    A.LeakTests: leaks()
                  caddy is not installed
                    A.CaddyTests: answers(_:_:), secures(_:_:)
                    A.MemoryTests: caddy(_:)

                """)
    }

    @Test func aRunThatSkippedNothingSaysSo() async throws {
        let passed = #"  <testcase classname="A.B" name="c()" time="0.000398875" />"#
        #expect(try await Self.summary(of: passed) == "skipped tests: 0 of 1\n")
    }

    @Test func aRunThatLeftNoResultsSaysSo() async throws {
        #expect(try await Self.summary(of: "").hasPrefix("skipped tests: not known"))
    }

    private static func summary(of results: String) async throws -> String {
        let path = try ServedFiles.temporaryFolder.get() + "/results-\(UUID().uuidString)"
        try results.write(toFile: path, atomically: true, encoding: .utf8)
        let process = try ChildProcess(
            FixturePaths.root + "/../.ci/skipped", [path], output: path + ".summary")
        #expect(await process.waitForEnd() == 0)
        return try String(contentsOfFile: path + ".summary", encoding: .utf8)
    }
}
