package import ApusCore

/// The large buffers of a loop, used by one connection at a time within one call.
///
/// They are separate properties of an object rather than one value, so that one can be read while
/// another is written.
package final class LoopScratch {
    /// The maximum size of one `recv`, in bytes.
    package static let inputSize = 64 * 1024
    /// The bytes that are collected before they are sent.
    package static let outputSize = 128 * 1024
    /// The largest capacity that a buffer keeps from one tick to the next: more than a piece of a
    /// body needs.
    package static let maxKept = 1024 * 1024

    /// Bytes from the socket.
    @exclusivity(unchecked) package var input = [UInt8](repeating: 0, count: LoopScratch.inputSize)
    /// Bytes for TLS or, without TLS, for the socket.
    @exclusivity(unchecked) package var plaintext: [UInt8] = []
    /// The same, with long pieces of bodies by reference.
    @exclusivity(unchecked) package var outgoing = OutgoingBytes()
    /// Encrypted bytes for the socket.
    @exclusivity(unchecked) package var ciphertext: [UInt8] = []

    init() {
        plaintext.reserveCapacity(LoopScratch.outputSize)
        ciphertext.reserveCapacity(LoopScratch.outputSize)
    }

    /// Releases buffers that have grown too large; called when none is in use.
    func trim() {
        if plaintext.capacity > LoopScratch.maxKept { plaintext = [] }
        if ciphertext.capacity > LoopScratch.maxKept { ciphertext = [] }
        if outgoing.capacity > LoopScratch.maxKept { outgoing = OutgoingBytes() }
    }
}
