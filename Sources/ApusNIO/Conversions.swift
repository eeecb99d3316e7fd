#if ApusNIO
    public import Apus
    public import NIOCore

    extension Bytes {
        /// Copies the readable bytes of a buffer, with one allocation; the buffer is not changed.
        ///
        /// `Bytes` keeps its bytes in an array and `ByteBuffer` in memory of its allocator, so one
        /// copy is the least that is possible, in either direction.
        public init(_ buffer: ByteBuffer) {
            self.init(buffer.readableBytesView)
        }
    }

    extension ByteBuffer {
        /// Copies bytes, with one allocation.
        public init(_ bytes: Bytes) {
            self.init(bytes: bytes)
        }
    }

    extension RequestBody {
        /// A body of the readable bytes of a buffer, which are copied once.
        public static func buffer(_ buffer: ByteBuffer) -> RequestBody {
            .bytes(Bytes(buffer))
        }
    }

    extension ResponseBody {
        /// The pieces of the body as buffers, each copied once; read as the body itself.
        public var buffers: AsyncMapSequence<ResponseBody, ByteBuffer> {
            map { ByteBuffer($0) }
        }
    }
#endif
