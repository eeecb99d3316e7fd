/// The loop as an executor: actors run on it, and tasks may prefer it.
extension EventLoop: SerialExecutor, TaskExecutor {
    package func enqueue(_ job: consuming ExecutorJob) {
        add(.job(UnownedJob(job)))
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        unsafe UnownedSerialExecutor(ordinary: self)
    }

    package func asUnownedTaskExecutor() -> UnownedTaskExecutor {
        unsafe UnownedTaskExecutor(ordinary: self)
    }

    /// Allows `assumeIsolated` in code that is called after epoll, outside of any task.
    package func checkIsolated() {
        precondition(isCurrent, "not on this event loop")
    }

    package func isIsolatingCurrentContext() -> Bool? {
        isCurrent
    }

    /// Asked at each switch of executor; without an answer here the runtime compares by casts.
    package var isMainExecutor: Bool { false }
}
