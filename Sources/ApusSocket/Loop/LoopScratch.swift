package import ApusCore

/// A loop's large buffers, used by one connection at a time within one call.
///
/// Three properties of an object rather than one value, so that reading from one and writing to
/// another at once is no conflict.
package final class LoopScratch {
    /// What one `recv` may give.
    package static let inputSize = 64 * 1024
    /// What is gathered before it is sent.
    package static let outputSize = 128 * 1024
    /// What a buffer keeps from one tick to the next: more than a piece of a body needs.
    package static let maxKept = 1024 * 1024

    /// Bytes from the socket.
    package var input = [UInt8](repeating: 0, count: LoopScratch.inputSize)
    /// Bytes on their way into TLS or, without it, to the socket.
    package var plaintext: [UInt8] = []
    /// The same, where long pieces of bodies are not copied.
    package var outgoing = OutgoingBytes()
    /// Bytes on their way to the socket, encrypted.
    package var ciphertext: [UInt8] = []

    init() {
        plaintext.reserveCapacity(LoopScratch.outputSize)
        ciphertext.reserveCapacity(LoopScratch.outputSize)
    }

    /// Lets go of a buffer that a long head has grown; called when none is in use.
    func trim() {
        if plaintext.capacity > LoopScratch.maxKept { plaintext = [] }
        if ciphertext.capacity > LoopScratch.maxKept { ciphertext = [] }
        if outgoing.capacity > LoopScratch.maxKept { outgoing = OutgoingBytes() }
    }
}
