// What `import Apus` brings along: the values of the core, and the heads of swift-http-types.
@_exported public import ApusCore
@_exported public import HTTPTypes
