// How the keys of the file become a configuration: each has a default but name, origin and secret.
extension GatewayConfiguration {
    private enum Key: String, CodingKey, CaseIterable {
        case host, port, proxy, upstreams
        case drain = "drain_seconds"
        case eventLoops = "event_loops"
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(Key.self)
        try fields.read(&host, .host)
        try fields.read(&port, .port)
        try fields.read(&drain, seconds: .drain)
        try fields.read(&eventLoops, .eventLoops)
        try fields.read(&proxy, .proxy)
        try fields.read(&upstreams, .upstreams)
    }
}

extension GatewayConfiguration.Upstream {
    private enum Key: String, CodingKey, CaseIterable {
        case name, origin, paths, tries, models, credentials
        case credentialField = "credential_field"
        case credentialPrefix = "credential_prefix"
        case firstByte = "first_byte_seconds"
        case betweenBytes = "between_bytes_seconds"
        case replayBytes = "replay_bytes"
        case http1Only = "http1_only"
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(Key.self)
        name = try fields.decode(String.self, forKey: .name)
        origin = try fields.decode(String.self, forKey: .origin)
        try fields.read(&paths, .paths)
        try fields.read(&credentialField, .credentialField)
        try fields.read(&credentialPrefix, .credentialPrefix)
        try fields.read(&firstByte, seconds: .firstByte)
        try fields.read(&betweenBytes, seconds: .betweenBytes)
        try fields.read(&replayBytes, .replayBytes)
        try fields.read(&tries, .tries)
        try fields.read(&http1Only, .http1Only)
        models = try fields.decodeIfPresent(String.self, forKey: .models)
        try fields.read(&credentials, .credentials)
    }
}

extension GatewayConfiguration.Credential {
    private enum Key: String, CodingKey, CaseIterable {
        case name, secret, proxy, scope
        case maxRequests = "max_requests"
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(Key.self)
        name = try fields.decode(String.self, forKey: .name)
        secret = try fields.decode(String.self, forKey: .secret)
        proxy = try fields.decodeIfPresent(String.self, forKey: .proxy)
        scope = try fields.decodeIfPresent(String.self, forKey: .scope)
        maxRequests = try fields.decodeIfPresent(Int.self, forKey: .maxRequests)
    }
}

/// A key as it is written in the file.
private struct WrittenKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) {
        self.stringValue = stringValue
    }

    init?(intValue: Int) {
        nil
    }
}

extension Decoder {
    /// The fields by their keys; a key that means nothing is refused, since it may be misspelt.
    fileprivate func fields<Key: CodingKey & CaseIterable>(
        _: Key.Type
    ) throws -> KeyedDecodingContainer<Key> {
        let known = Set(Key.allCases.map(\.stringValue))
        let written = try container(keyedBy: WrittenKey.self).allKeys
        if let odd = written.first(where: { !known.contains($0.stringValue) }) {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: codingPath + [odd],
                    debugDescription: "unknown key \"\(odd.stringValue)\"; known are: "
                        + known.sorted().joined(separator: ", ")))
        }
        return try container(keyedBy: Key.self)
    }
}

extension KeyedDecodingContainer {
    fileprivate func read<Value: Decodable>(_ value: inout Value, _ key: Key) throws {
        value = try decodeIfPresent(Value.self, forKey: key) ?? value
    }

    fileprivate func read(_ value: inout Duration, seconds key: Key) throws {
        if let seconds = try seconds(key) { value = seconds }
    }

    /// 0 is no limit.
    fileprivate func read(_ value: inout Duration?, seconds key: Key) throws {
        if let seconds = try seconds(key) { value = seconds == .zero ? nil : seconds }
    }

    private func seconds(_ key: Key) throws -> Duration? {
        guard let seconds = try decodeIfPresent(Double.self, forKey: key) else { return nil }
        guard (0...86_400).contains(seconds) else {
            throw DecodingError.dataCorruptedError(
                forKey: key, in: self, debugDescription: "\(seconds) is not in 0...86400 seconds")
        }
        return .milliseconds(Int64(seconds * 1000))
    }
}
