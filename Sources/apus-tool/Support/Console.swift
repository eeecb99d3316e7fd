import Synchronization

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The standard error: whole lines from any thread, and below them at most one line of progress.
final class Console: Sendable {
    /// Whether standard error is a terminal, so that a line may be redrawn.
    let isTerminal = isatty(2) == 1
    /// The progress that is currently drawn; empty for none.
    private let drawn = Mutex("")

    /// Writes a line above the line of progress.
    func line(_ text: String) {
        drawn.withLock { progress in
            emit(progress.isEmpty ? text + "\n" : "\r\u{1B}[K" + text + "\n" + progress)
        }
    }

    /// Redraws the line of progress.
    func draw(_ text: String) {
        drawn.withLock { progress in
            progress = text
            emit("\r" + text + "\u{1B}[K")
        }
    }

    /// Removes the line of progress.
    func clear() {
        drawn.withLock { progress in
            guard !progress.isEmpty else { return }
            progress = ""
            emit("\r\u{1B}[K")
        }
    }

    /// A failure to write to the standard error cannot be reported.
    private func emit(_ text: String) {
        var text = text
        text.withUTF8 { _ = writeWhole(UnsafeRawBufferPointer($0), to: 2) }
    }
}
