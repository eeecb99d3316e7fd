import HTTPTypes

/// Fields that no description shows: a proxy's may be secret.
struct HiddenFields: Sendable, CustomStringConvertible, CustomReflectable {
    let list: HTTPFields
    var description: String { "fields" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
