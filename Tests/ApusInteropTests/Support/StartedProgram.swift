import Synchronization
import Testing

/// A real program that tests start once: a server or a proxy.
protocol StartedProgram: Sendable {
    /// What people call it.
    var name: String { get }
    /// What has to be installed, for people.
    var needs: String { get }
    /// Whether this machine has it, and what it depends on.
    var isInstalled: Bool { get }
    /// The program under way, started at the first call; an error is the same at each call.
    func running() throws -> RunningServer
}

extension StartedProgram {
    /// Whether it is installed and has started; starts it at the first call, which blocks.
    var isRunning: Bool { isInstalled && (try? running()) != nil }
}

/// Lets tests run where their programs run, and says once that a program does not start.
///
/// Where a program is not installed, the tests are skipped with its name. Where it is installed
/// and does not start, the first suite or test that needs it fails, with the program's output, and
/// runs none of its tests; all others are skipped.
struct RunningTrait: SuiteTrait, TestTrait, TestScoping {
    let programs: [any StartedProgram]

    /// The suite's condition is enough for its tests.
    var isRecursive: Bool { false }

    func prepare(for test: Test) async throws {
        for program in programs where !program.isInstalled {
            try await ConditionTrait.disabled("\(program.needs) is not installed")
                .prepare(for: test)
        }
        for program in programs {
            // Starting blocks.
            guard let failure = await offThePool({ program.failureToStart }) else { continue }
            guard !StartFailures.mayReport(failure, test) else { continue }
            try await ConditionTrait.disabled(
                "\(failure.program) did not come up, which is reported as one failure"
            ).prepare(for: test)
        }
    }

    /// Once for a suite or a test, not for each case.
    func scopeProvider(for test: Test, testCase: Test.Case?) -> Self? {
        testCase == nil ? self : nil
    }

    func provideScope(
        for test: Test, testCase: Test.Case?,
        performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        let failures = programs.compactMap(\.failureToStart)
        guard failures.isEmpty else {
            for failure in failures { Issue.record(failure) }
            return
        }
        try await function()
    }
}

extension Trait where Self == RunningTrait {
    /// Runs where these servers run.
    static func running(_ servers: RealServer...) -> Self { Self(programs: servers) }

    /// Runs where these proxies run.
    static func running(_ proxies: RealProxy...) -> Self { Self(programs: proxies) }
}

/// That a program did not start, and what it said.
struct StartFailure: Error, CustomStringConvertible {
    /// The program that failed, which may be one that another needs.
    let program: String
    let reason: String

    var description: String { "\(program) did not come up: \(reason)" }
}

extension StartedProgram {
    fileprivate var failureToStart: StartFailure? {
        do {
            _ = try running()
            return nil
        } catch let error as StartFailure {
            return error
        } catch {
            return StartFailure(program: name, reason: "\(error)")
        }
    }
}

/// Which test reports which program.
private enum StartFailures {
    private static let reporters = Mutex<[String: Test.ID]>([:])

    /// Whether this test is the one that reports: the first that asked.
    static func mayReport(_ failure: StartFailure, _ test: Test) -> Bool {
        reporters.withLock { reporters in
            if let reporter = reporters[failure.program] { return reporter == test.id }
            reporters[failure.program] = test.id
            return true
        }
    }
}
