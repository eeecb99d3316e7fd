import Apus

/// The parameters of permessage-deflate that both sides agreed on (RFC 7692, section 7.1).
package struct DeflateAgreement: Sendable, Hashable {
    package static let name = "permessage-deflate"

    package var clientContextTakeover = true
    package var serverContextTakeover = true
    /// 8 to 15.
    package var clientWindowBits = 15
    /// 8 to 15.
    package var serverWindowBits = 15
    package var level = 6
    package var minimumLength = 0

    package init() {}

    /// The offer, as the value of `Sec-WebSocket-Extensions`.
    static func offer(_ wanted: WebSocketOptions.Compression) -> String {
        var text = name
        if !wanted.clientContextTakeover { text += "; client_no_context_takeover" }
        if !wanted.serverContextTakeover { text += "; server_no_context_takeover" }
        // Without a value it lets the server choose.
        text += "; client_max_window_bits"
        if wanted.clientWindowBits < 15 { text += "=\(wanted.clientWindowBits)" }
        if wanted.serverWindowBits < 15 {
            text += "; server_max_window_bits=\(wanted.serverWindowBits)"
        }
        return text
    }

    /// Reads the server's answer to the offer.
    ///
    /// - Returns: `nil` when the server declined.
    /// - Throws: `WebSocketError.badHandshake` for anything that was not offered.
    package init?(
        answer: [String], to wanted: WebSocketOptions.Compression?
    ) throws(WebSocketError) {
        guard let elements = ExtensionElement.list(answer) else {
            throw .badHandshake("the list of extensions is malformed")
        }
        guard let first = elements.first else { return nil }
        guard let wanted, first.name == Self.name else {
            throw .badHandshake("the server chose an extension that was not offered")
        }
        guard elements.count == 1 else {
            throw .badHandshake("the server chose permessage-deflate twice")
        }
        level = wanted.level
        minimumLength = wanted.minimumLength
        clientWindowBits = wanted.clientWindowBits
        var seen: Set<String> = []
        for parameter in first.parameters {
            guard seen.insert(parameter.name).inserted else {
                throw .badHandshake("\(parameter.name) is repeated")
            }
            try take(parameter)
        }
        guard wanted.serverContextTakeover || !serverContextTakeover else {
            throw .badHandshake("the server did not accept server_no_context_takeover")
        }
        guard serverWindowBits <= wanted.serverWindowBits else {
            throw .badHandshake("the server did not accept server_max_window_bits")
        }
        if !wanted.clientContextTakeover { clientContextTakeover = false }
    }

    private mutating func take(_ parameter: ExtensionElement.Parameter) throws(WebSocketError) {
        switch (parameter.name, parameter.value) {
        case ("client_no_context_takeover", nil): clientContextTakeover = false
        case ("server_no_context_takeover", nil): serverContextTakeover = false
        case ("client_max_window_bits", let value?):
            clientWindowBits = min(clientWindowBits, try Self.bits(value))
        case ("server_max_window_bits", let value?): serverWindowBits = try Self.bits(value)
        default: throw .badHandshake("a parameter of permessage-deflate is unknown or malformed")
        }
    }

    private static func bits(_ text: String) throws(WebSocketError) -> Int {
        guard text.first != "0", text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let bits = Int(text), (8...15).contains(bits)
        else { throw .badHandshake("a window is not in 8...15 bits") }
        return bits
    }

    /// The decompression of what a side receives.
    func inflater(for role: WebSocketMachine.Role) -> MessageInflater {
        role == .client
            ? MessageInflater(windowBits: serverWindowBits, keepsContext: serverContextTakeover)
            : MessageInflater(windowBits: clientWindowBits, keepsContext: clientContextTakeover)
    }

    /// The compression of what a side sends; `nil` for a window of 8 bits, which zlib does not
    /// make: messages are then sent as they are.
    func deflateSide(for role: WebSocketMachine.Role) -> DeflateSide? {
        let bits = role == .client ? clientWindowBits : serverWindowBits
        guard bits > 8 else { return nil }
        let keepsContext = role == .client ? clientContextTakeover : serverContextTakeover
        return DeflateSide(
            MessageDeflater(windowBits: bits, keepsContext: keepsContext, level: level),
            minimumLength: minimumLength)
    }
}
