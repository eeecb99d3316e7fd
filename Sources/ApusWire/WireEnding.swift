/// What reading a wire ended with.
package enum WireEnding {
    /// The end of the peer's side (FIN).
    case fin
    /// The end of the topmost layer that ended in good order: close_notify where it is TLS.
    case closeNotify
    /// The first error.
    case failed(WireError)
}

extension Wire {
    /// What one read gave.
    package enum ReadOutcome {
        /// Some bytes were delivered; there may be more.
        case progress
        /// Nothing more now.
        case wouldBlock
        /// The peer ended its side in good order: with close_notify where there is TLS.
        case end
    }
}
