package import ApusCore

/// A place on a loop where one async function waits: for an event, a deadline or its cancellation.
///
/// Unchecked, because its state is touched on the loop's thread only.
package final class LoopSuspension: @unchecked Sendable {
    package enum WakeUp: Sendable {
        case signalled
        case deadlineReached
        case cancelled
    }

    /// The state of the waiting.
    private enum State {
        /// No function waits, and no signal has come.
        ///
        /// Exits: `.waiting`, `.pending`.
        case quiet
        /// A function waits.
        ///
        /// Exits: `.quiet`.
        case waiting(UnsafeContinuation<WakeUp, Never>, LoopTimer?)
        /// A signal came before the wait.
        ///
        /// Exits: `.quiet`.
        case pending(WakeUp)
        /// The task was cancelled: every wait ends at once.
        ///
        /// No exits.
        case cancelled
    }

    let loop: EventLoop
    private var state = State.quiet

    package init(on loop: EventLoop) {
        self.loop = loop
    }

    /// Waits on the loop until `signal()`, the deadline or the task's cancellation.
    package func wait(until deadline: Deadline?) async -> WakeUp {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                unsafe begin(continuation, deadline)
            }
        } onCancel: {
            loop.execute { self.cancel() }
        }
    }

    /// Ends the wait, or the next one when no function waits yet.
    package func signal() {
        wake(.signalled)
    }

    private func begin(_ continuation: UnsafeContinuation<WakeUp, Never>, _ deadline: Deadline?) {
        precondition(loop.isCurrent, "a suspension is waited for on its own loop")
        switch state {
        case .pending(let wakeUp):
            state = .quiet
            unsafe continuation.resume(returning: wakeUp)
        case .cancelled:
            unsafe continuation.resume(returning: .cancelled)
        case .quiet:
            let timer = deadline.map { deadline in
                loop.schedule(at: deadline) { [weak self] in self?.wake(.deadlineReached) }
            }
            state = .waiting(continuation, timer)
        case .waiting:
            preconditionFailure("two functions wait at one suspension")
        }
    }

    private func wake(_ wakeUp: WakeUp) {
        switch state {
        case .waiting(let continuation, let timer):
            state = .quiet
            if let timer { loop.cancel(timer) }
            unsafe continuation.resume(returning: wakeUp)
        case .quiet:
            if case .signalled = wakeUp { state = .pending(wakeUp) }
        case .pending, .cancelled: break
        }
    }

    private func cancel() {
        wake(.cancelled)
        state = .cancelled
    }
}
