package v1alpha1

// The types of condition.
const (
	// ConditionReady is True when the object is enforced as written. An exhausted
	// budget or an open breaker is business, not ill health, and leaves it True.
	ConditionReady = "Ready"
	// ConditionAccepted is True when the object is valid and wins every name it
	// claims. An object that is not accepted changes nothing.
	ConditionAccepted = "Accepted"
	// ConditionProgrammed is True when every live enforcer runs a configuration
	// that contains the observed generation, and there is at least one.
	ConditionProgrammed = "Programmed"
	// ConditionBreakerOpen is True while the breaker refuses the tenant's paid calls.
	ConditionBreakerOpen = "BreakerOpen"
)

// Reasons of ConditionReady.
const (
	ReasonEnforced    = "Enforced"
	ReasonShadow      = "Shadow"
	ReasonNotEnforced = "NotEnforced"
	ReasonExpired     = "Expired"
)

// Reasons of ConditionAccepted.
const (
	ReasonAccepted              = "Accepted"
	ReasonInvalid               = "Invalid"
	ReasonConflicted            = "Conflicted"
	ReasonNamespaceNotDelegated = "NamespaceNotDelegated"
	ReasonTargetNotFound        = "TargetNotFound"
	ReasonTargetNotAccepted     = "TargetNotAccepted"
	ReasonParentNotFound        = "ParentNotFound"
	ReasonParentNotAccepted     = "ParentNotAccepted"
	ReasonParentCycle           = "ParentCycle"
	ReasonParentTooDeep         = "ParentTooDeep"
)

// Reasons of ConditionProgrammed.
const (
	ReasonProgrammed       = "Programmed"
	ReasonNotAccepted      = "NotAccepted"
	ReasonEnforcersPending = "EnforcersPending"
	ReasonNoEnforcers      = "NoEnforcers"
	ReasonStoreUnavailable = "StoreUnavailable"
	ReasonLimiterClosed    = "LimiterClosed"
)

// Reasons of ConditionBreakerOpen.
const (
	ReasonBelowTripRung   = "BelowTripRung"
	ReasonTripRungReached = "TripRungReached"
	ReasonForced          = "Forced"
	ReasonUnknown         = "Unknown"
)

// Reasons of Events.
const (
	EventAccepted         = "Accepted"
	EventRejected         = "Rejected"
	EventProgrammed       = "Programmed"
	EventBudgetWarning    = "BudgetWarning"
	EventBudgetDowngraded = "BudgetDowngraded"
	EventLimitTripped     = "LimitTripped"
	EventBreakerOpened    = "BreakerOpened"
	EventBreakerClosed    = "BreakerClosed"
	EventBreakerForced    = "BreakerForced"
	EventBreakerReleased  = "BreakerReleased"
)
