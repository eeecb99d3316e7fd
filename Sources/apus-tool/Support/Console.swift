import Glibc
import Synchronization

/// The standard error: whole lines from any thread, and under them at most one line of progress.
final class Console: Sendable {
    /// Whether somebody is looking, so that a line may be drawn over.
    let isTerminal = isatty(2) == 1
    /// The progress that is drawn at the moment; empty when none is.
    private let drawn = Mutex("")

    /// Writes a line; a line of progress steps aside for it.
    func line(_ text: String) {
        drawn.withLock { progress in
            emit(progress.isEmpty ? text + "\n" : "\r\u{1B}[K" + text + "\n" + progress)
        }
    }

    /// Draws the line of progress anew.
    func draw(_ text: String) {
        drawn.withLock { progress in
            progress = text
            emit("\r" + text + "\u{1B}[K")
        }
    }

    /// Takes the line of progress away.
    func clear() {
        drawn.withLock { progress in
            guard !progress.isEmpty else { return }
            progress = ""
            emit("\r\u{1B}[K")
        }
    }

    /// A failure to write to the standard error has nowhere to be told.
    private func emit(_ text: String) {
        var text = text
        text.withUTF8 { _ = writeWhole(UnsafeRawBufferPointer($0), to: 2) }
    }
}
