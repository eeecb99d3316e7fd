import ApusSocket
import Glibc
import Testing

/// A detached thread for one function.
@Suite(.timeLimit(.minutes(5))) struct DetachedThreadTests {
    @Test func runsItsFunctionOnAThreadOfThatName() async {
        let name = await withCheckedContinuation { continuation in
            let isStarted = DetachedThread.start(named: "apus-detached") {
                var text = [UInt8](repeating: 0, count: 32)
                let file = open("/proc/thread-self/comm", O_RDONLY | O_CLOEXEC)
                let count = max(0, read(file, &text, text.count))
                close(file)
                continuation.resume(returning: String(decoding: text[..<count], as: UTF8.self))
            }
            if !isStarted { continuation.resume(returning: "no thread") }
        }
        #expect(name == "apus-detached\n")
    }

    @Test func letsGoOfWhatItsFunctionHeld() async {
        final class Witness: Sendable {}
        weak var witness: Witness?
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let held = Witness()
            witness = held
            let isStarted = DetachedThread.start(named: "apus-detached") {
                withExtendedLifetime(held) {}
                continuation.resume()
            }
            if !isStarted { continuation.resume() }
        }
        // The function's captures go a moment after its last statement.
        while witness != nil { await Task.yield() }
    }
}
