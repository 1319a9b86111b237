import Scheduler

// The module `Scheduler` has a type of the same name, so that its other types cannot be qualified
// with it; where SMTP has a type of the same name they go by these.
typealias SchedulerStage = Stage
