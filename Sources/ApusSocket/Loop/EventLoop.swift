package import ApusCore
import CApusLinux

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The readiness of a descriptor, as epoll reports it.
package struct Readiness: Sendable {
    private let bits: UInt32

    init(bits: UInt32) {
        self.bits = bits
    }

    package var isReadable: Bool { hasAny(EPOLLIN) }
    package var isWritable: Bool { hasAny(EPOLLOUT) }
    /// The peer has ended its side, or the socket failed; reading shows which.
    package var isHungUp: Bool { hasAny(EPOLLRDHUP) || hasAny(EPOLLHUP) || hasAny(EPOLLERR) }

    private func hasAny(_ events: EPOLL_EVENTS) -> Bool { bits & events.rawValue != 0 }
}

/// Receives the readiness of a descriptor, on the loop's thread.
package protocol ReadinessHandler: AnyObject {
    func readinessChanged(_ readiness: Readiness)
    /// `look` has found the same, which is reported in the next tick; only to be noted.
    func readinessNoticed(_ readiness: Readiness)
}

extension ReadinessHandler {
    package func readinessNoticed(_ readiness: Readiness) {}
}

/// Collects output during a tick and sends it together at the tick's end.
package protocol Flushable: AnyObject {
    func flush()
}

/// One thread, one epoll, one timer queue; both a serial executor and a task executor.
///
/// One tick (ARCHITECTURE has the same list):
/// 1. Take the work that other threads have queued.
/// 2. Run the jobs of the turn, for about 1 ms at most: those that were queued when the turn began.
/// 3. When all of them have run, the turn is over: flush each connection that has output, once.
/// 4. Wait for readiness (epoll), without sleeping while work is left; rest before, when busy.
/// 5. Call the handler of each ready descriptor.
/// 6. Fire the timers that are due.
///
/// A job that arrives while jobs run is for the next turn, so descriptors and timers are served
/// however much work adds to itself. Work from another thread goes through a locked queue and a
/// wake-up; work from the loop's own thread goes to a plain array. How long a busy loop rests is
/// decided by `WakePace`.
///
/// Unchecked, because its state is divided by rule: properties under "foreign" are accessed with
/// the lock held, properties under "own thread" only by the loop's thread.
package final class EventLoop: @unchecked Sendable {
    enum Work {
        case job(UnownedJob)
        case call(@Sendable () -> Void)
    }

    /// The state of the loop's thread.
    enum Phase {
        /// The thread runs.
        ///
        /// Exits: `.stopping`.
        case running
        /// The thread ends once its work is done.
        ///
        /// Exits: `.stopped`.
        case stopping
        /// The thread has ended; late work runs on a short-lived one.
        ///
        /// No exits.
        case stopped
    }

    private struct Slot {
        var handler: (any ReadinessHandler)?
        var generation: UInt32 = 0
    }

    /// How long jobs run before the loop polls its descriptors again.
    private static let maxJobTime = Duration.milliseconds(1)
    /// Jobs between two readings of the clock.
    private static let jobsPerClockReading = 16
    private static let maxEventsPerTick = 512
    private static let maxEventsPerLook = 64
    /// How old a look at the descriptors may be where another is asked for in the same turn.
    private static let maxLookAge = Duration.microseconds(50)

    private let epoll: FileDescriptor
    private let wakeUp: FileDescriptor
    private let name: String

    // Foreign: with the lock held.
    private let lock = Lock()
    @exclusivity(unchecked) private var foreignWork: [Work] = []
    @exclusivity(unchecked) private var isAwake = true
    @exclusivity(unchecked) private var phase = Phase.running
    private var hasLateThread = false

    // Own thread.
    @exclusivity(unchecked) private var work = LoopWork<Work>()
    @exclusivity(unchecked) private var slots: [Slot] = [Slot()]
    @exclusivity(unchecked) private var freeSlots: [Int] = []
    @exclusivity(unchecked) private var timers = TimerQueue()
    @exclusivity(unchecked) private var dirty: [any Flushable] = []
    /// When `look` last polled, in this turn.
    @exclusivity(unchecked) private var looked: Deadline?
    /// What `look` has found, to be reported in the next tick.
    @exclusivity(unchecked) private var noticed: [(token: UInt64, bits: UInt32)] = []
    @exclusivity(unchecked) private var isReporting = false
    @exclusivity(unchecked) private var pace: WakePace
    /// How many exchanges the loop's connections carry.
    @exclusivity(unchecked) package var load = 0
    /// Large buffers that the loop's connections use in turn, so that an idle one holds none.
    package let scratch = LoopScratch()

    private var thread = pthread_t()

    /// Creates the loop and starts its thread.
    ///
    /// - Parameter wakeInterval: the least time between two wake-ups while it is busy.
    package init(name: String, wakeInterval: Duration? = nil) throws(SystemError) {
        let epollNumber = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epollNumber >= 0 else { throw SystemError(call: "epoll_create1") }
        epoll = FileDescriptor(epollNumber)
        let eventNumber = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard eventNumber >= 0 else { throw SystemError(call: "eventfd") }
        wakeUp = FileDescriptor(eventNumber)
        self.name = name
        pace = WakePace(interval: wakeInterval)
        guard capus_epoll_add(epoll.number, wakeUp.number, 0) == 0 else {
            throw SystemError(call: "epoll_ctl")
        }
        let context = Unmanaged.passRetained(self)
        let result = unsafe pthread_create(&thread, nil, runEventLoop, context.toOpaque())
        guard result == 0 else {
            unsafe context.release()
            throw SystemError(errno: result, call: "pthread_create")
        }
    }

    /// Whether the calling code runs on this loop.
    package var isCurrent: Bool {
        unsafe (capus_loop_of_thread()
            == UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque()))
    }

    /// Runs `body` on the loop: in the current tick if no job has run in it yet, else in the next.
    package func execute(_ body: @escaping @Sendable () -> Void) {
        add(.call(body))
    }

    /// Lets the thread end once its work is done; idempotent, and does not wait.
    ///
    /// Later jobs still run, one at a time, on a thread made for them.
    package func stop() {
        let mustWake = lock.withLock {
            guard phase == .running else { return false }
            phase = .stopping
            return wakesSleeper()
        }
        if mustWake { wake() }
    }

    /// Waits for the thread to end; call it once, after `stop()`, from any thread but the loop's.
    package func join() {
        precondition(!isCurrent, "a loop cannot wait for its own end")
        _ = pthread_join(thread, nil)
    }

    /// Detaches the thread when no caller will join it.
    package func detach() {
        pthread_detach(thread)
    }

    func add(_ item: Work) {
        if isCurrent {
            work.append(item)
            return
        }
        let (mustWake, mustSpawn) = lock.withLock {
            foreignWork.append(item)
            guard phase != .stopped else {
                defer { hasLateThread = true }
                return (false, !hasLateThread)
            }
            return (wakesSleeper(), false)
        }
        if mustWake { wake() }
        if mustSpawn { spawnLateThread() }
    }

    /// With the lock held: returns whether the loop sleeps, and marks it as awake.
    private func wakesSleeper() -> Bool {
        defer { isAwake = true }
        return !isAwake
    }

    /// The eventfd is edge-triggered, so each write wakes the loop and it need not be read.
    private func wake() {
        var one: UInt64 = 1
        _ = unsafe write(wakeUp.number, &one, 8)
    }
}

// MARK: - On the loop's thread

extension EventLoop {
    /// Reports to a handler when a descriptor is readable, writable or hung up, until `deregister`.
    ///
    /// - Returns: a token for `deregister`.
    package func register(
        _ descriptor: borrowing FileDescriptor, handler: any ReadinessHandler
    ) throws(SystemError) -> UInt64 {
        let index = freeSlots.popLast() ?? slots.count
        if index == slots.count { slots.append(Slot()) }
        slots[index].handler = handler
        let token = UInt64(slots[index].generation) << 32 | UInt64(index)
        guard capus_epoll_add(epoll.number, descriptor.number, token) == 0 else {
            let error = SystemError(call: "epoll_ctl")
            release(slot: index)
            throw error
        }
        return token
    }

    /// Ends a registration; pending events of it are dropped.
    package func deregister(_ descriptor: borrowing FileDescriptor, token: UInt64) {
        let index = Int(token & 0xffff_ffff)
        guard slots[index].generation == UInt32(token >> 32), slots[index].handler != nil else {
            return
        }
        _ = capus_epoll_remove(epoll.number, descriptor.number)
        release(slot: index)
    }

    private func release(slot index: Int) {
        slots[index].handler = nil
        slots[index].generation &+= 1
        freeSlots.append(index)
    }

    /// Calls `flush()` at the end of this turn; the caller must request it once only.
    package func scheduleFlush(_ flushable: any Flushable) {
        dirty.append(flushable)
    }

    /// Runs `action` on the loop at `deadline`, unless it is cancelled before.
    package func schedule(at deadline: Deadline, _ action: @escaping () -> Void) -> LoopTimer {
        let timer = LoopTimer(deadline: deadline, action: action)
        timers.add(timer)
        return timer
    }

    /// The number of timers that neither fired nor were cancelled; read on the loop only.
    package var timerCount: Int { timers.count }

    package func cancel(_ timer: LoopTimer) {
        timers.cancel(timer)
    }

    fileprivate func run() {
        unsafe capus_set_loop_of_thread(Unmanaged.passUnretained(self).toOpaque())
        unsafe capus_name_thread(name)
        capus_sleep_exactly()
        let events = UnsafeMutablePointer<epoll_event>.allocate(
            capacity: EventLoop.maxEventsPerTick)
        unsafe events.initialize(repeating: epoll_event(), count: EventLoop.maxEventsPerTick)
        defer { unsafe events.deallocate() }
        while runTick() {
            let count = unsafe awaitReadiness(events)
            lock.withLock { isAwake = true }
            pace.woke(load: load, now: .now())
            isReporting = true
            reportNoticed()
            for index in 0..<max(0, count) {
                unsafe handle(
                    token: capus_epoll_token(events, index), bits: capus_epoll_bits(events, index))
            }
            isReporting = false
            guard timers.count > 0 else { continue }
            let now = Deadline.now()
            while let action = timers.nextAction(now: now) { action() }
        }
        capus_set_loop_of_thread(nil)
    }

    /// Waits for readiness; the number of events.
    private func awaitReadiness(_ events: UnsafeMutablePointer<epoll_event>) -> Int32 {
        let capacity = Int32(EventLoop.maxEventsPerTick)
        if isIdle, let rest = pace.rest(load: load, now: .now()) {
            capus_rest(rest.nanoseconds)
            let count = unsafe epoll_wait(epoll.number, events, capacity, 0)
            guard count == 0, isIdle else { return count }
            pace.restedInVain()
        }
        return unsafe epoll_wait(epoll.number, events, capacity, timeoutBeforeSleep())
    }

    /// Whether no work waits, of this thread or of others.
    private var isIdle: Bool {
        !hasOwnWork && lock.withLock { foreignWork.isEmpty && phase == .running }
    }

    /// Whether work of this thread waits.
    private var hasOwnWork: Bool { !work.isEmpty || !dirty.isEmpty || !noticed.isEmpty }

    private func handle(token: UInt64, bits: UInt32) {
        handler(of: token)?.readinessChanged(Readiness(bits: bits))
    }

    private func handler(of token: UInt64) -> (any ReadinessHandler)? {
        let index = Int(token & 0xffff_ffff)
        guard index != 0, slots[index].generation == UInt32(token >> 32) else { return nil }
        return slots[index].handler
    }

    /// Has handlers note what has come by now; one poll is for all that ask within 50 µs of a turn.
    ///
    /// - Returns: `false` while readiness is reported: some of it was polled and is not noted yet.
    package func look() -> Bool {
        guard !isReporting else { return false }
        let now = Deadline.now()
        if let looked, now.since(looked) < EventLoop.maxLookAge { return true }
        looked = now
        unsafe withUnsafeTemporaryAllocation(
            of: epoll_event.self, capacity: EventLoop.maxEventsPerLook
        ) { buffer in
            guard let events = buffer.baseAddress else { return }
            let count = unsafe epoll_wait(
                epoll.number, events, Int32(EventLoop.maxEventsPerLook), 0)
            for index in 0..<max(0, count) {
                let token = unsafe capus_epoll_token(events, index)
                let bits = unsafe capus_epoll_bits(events, index)
                noticed.append((token, bits))
                handler(of: token)?.readinessNoticed(Readiness(bits: bits))
            }
        }
        return true
    }

    private func reportNoticed() {
        looked = nil
        guard !noticed.isEmpty else { return }
        let found = noticed
        noticed.removeAll()
        for (token, bits) in found { handle(token: token, bits: bits) }
    }

    /// Runs queued jobs, then flushes; `false` when the loop was stopped and has finished.
    private func runTick() -> Bool {
        takeForeignWork()
        if runTurn() { flushDirty() }
        scratch.trim()
        guard !hasOwnWork else { return true }
        return lock.withLock {
            guard phase == .stopping, foreignWork.isEmpty else { return true }
            phase = .stopped
            return false
        }
    }

    private func takeForeignWork() {
        lock.withLock {
            if !foreignWork.isEmpty { work.append(taking: &foreignWork) }
        }
    }

    /// Runs the jobs of this turn, for as long as a tick may take; the rest runs in the next tick.
    ///
    /// - Returns: whether the turn is over. Output waits for that, so that the output of a turn is
    ///   sent together, however many ticks the turn takes.
    private func runTurn() -> Bool {
        work.beginTurn()
        var end: Deadline?
        var count = 0
        while let item = work.next() {
            run(item)
            count += 1
            guard count % EventLoop.jobsPerClockReading == 0 else { continue }
            let now = Deadline.now()
            if let end, now >= end { return work.isTurnOver }
            end = end ?? now.advanced(by: EventLoop.maxJobTime)
        }
        return true
    }

    private func run(_ item: Work) {
        switch item {
        case .job(let job):
            // Run as a task executor, so that code without isolation, which callers run here, never
            // switches threads. Actors recognise their isolation by `isIsolatingCurrentContext`.
            unsafe job.runSynchronously(on: asUnownedTaskExecutor())
        case .call(let body): body()
        }
    }

    /// Flushes connections that requested it before the flushes began; later requests are for the
    /// next tick.
    private func flushDirty() {
        let count = dirty.count
        for index in 0..<count { dirty[index].flush() }
        dirty.removeFirst(count)
    }

    /// Milliseconds to sleep: 0 when work is waiting, unlimited (-1) without timers.
    private func timeoutBeforeSleep() -> Int32 {
        guard !hasOwnWork else { return 0 }
        var timeout: Int32 = -1
        if let next = timers.nextDeadline {
            timeout = Int32(clamping: max(0, next.since(.now()).milliseconds))
        }
        return lock.withLock {
            guard foreignWork.isEmpty, phase == .running else { return 0 }
            isAwake = timeout == 0
            return timeout
        }
    }
}

// MARK: - After the end

extension EventLoop {
    /// Runs jobs that are added after the loop has stopped, on a thread that ends when none is
    /// left.
    ///
    /// Tasks may outlive their engine; without this they would never finish.
    private func spawnLateThread() {
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        if unsafe pthread_create(&thread, nil, runLateWork, context.toOpaque()) == 0 {
            pthread_detach(thread)
        } else {
            // No thread can be made, so the caller's own thread runs them.
            unsafe context.release()
            runLate()
        }
    }

    fileprivate func runLate() {
        let before = unsafe capus_loop_of_thread()
        unsafe capus_set_loop_of_thread(Unmanaged.passUnretained(self).toOpaque())
        while true {
            takeForeignWork()
            if runTurn() { flushDirty() }
            let isDone = lock.withLock {
                guard foreignWork.isEmpty, work.isEmpty else { return false }
                hasLateThread = false
                // Released with the lock held: a later thread must not run at the same time as this
                // one.
                unsafe capus_set_loop_of_thread(before)
                return true
            }
            if isDone { return }
        }
    }
}

/// A top-level function: a closure literal passed to C could carry an isolation.
private func runEventLoop(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    unsafe Unmanaged<EventLoop>.fromOpaque(context).takeRetainedValue().run()
    return nil
}

private func runLateWork(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    unsafe Unmanaged<EventLoop>.fromOpaque(context).takeRetainedValue().runLate()
    return nil
}
