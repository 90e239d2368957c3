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
	// ConditionExhausted is True while a limit of the tenant, or of one that it is a
	// part of, has nothing left for any paid call: all of its amount is spent. Limits
	// with tiers or models, and those of each user, do not count here.
	ConditionExhausted = "Exhausted"
	// ConditionOvercommitted is True while the children of a budget may, by limits of
	// their own, spend more together than a limit of the budget: lawful, but the limit
	// will refuse some of them.
	ConditionOvercommitted = "Overcommitted"
	// ConditionExpired is True when a BudgetGrant's time is over. The grant is kept as a
	// record, and stays Ready: nothing is left to be done about it.
	ConditionExpired = "Expired"
	// ConditionAlertsFailing is True while somebody who is to be told of alerts cannot
	// be, for a reason that the message gives. It is there where spec.alerts is, and
	// leaves Ready as it is: what is enforced does not depend on it.
	ConditionAlertsFailing = "AlertsFailing"
	// ConditionReconciling is True while the object is on its way to being enforced as
	// written, and needs nothing but time or other objects for that.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the object will not be enforced as written unless
	// somebody changes it, or what stands in its way.
	ConditionStalled = "Stalled"
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
	ReasonLimitNotFound         = "LimitNotFound"
	ReasonTooManyGrants         = "TooManyGrants"
	ReasonParentNotFound        = "ParentNotFound"
	ReasonParentNotAccepted     = "ParentNotAccepted"
	ReasonParentCycle           = "ParentCycle"
	ReasonParentTooDeep         = "ParentTooDeep"
	ReasonNotAllowedByParent    = "NotAllowedByParent"
)

// Reasons of ConditionProgrammed.
const (
	ReasonProgrammed       = "Programmed"
	ReasonNotAccepted      = "NotAccepted"
	ReasonEnforcersPending = "EnforcersPending"
	ReasonNoEnforcers      = "NoEnforcers"
	ReasonStoreUnavailable = "StoreUnavailable"
	ReasonLimiterClosed    = "LimiterClosed"
	ReasonProbePending     = "ProbePending"
	ReasonProbeFailed      = "ProbeFailed"
	ReasonTooManyLimits    = "TooManyLimits"
)

// Reasons of ConditionBreakerOpen.
const (
	ReasonBelowTripRung   = "BelowTripRung"
	ReasonTripRungReached = "TripRungReached"
	ReasonForced          = "Forced"
	ReasonUnknown         = "Unknown"
)

// Reasons of ConditionExhausted, beside ReasonUnknown.
const (
	ReasonAmountLeft  = "AmountLeft"
	ReasonAmountSpent = "AmountSpent"
)

// Reasons of ConditionOvercommitted, beside ReasonUnknown.
const (
	ReasonChildrenFit         = "ChildrenFit"
	ReasonChildrenExceedLimit = "ChildrenExceedLimit"
)

// Reasons of ConditionExpired, beside ReasonExpired.
const (
	ReasonNotStarted = "NotStarted"
	ReasonRunning    = "Running"
)

// Reasons of ConditionAlertsFailing, beside ReasonUnknown.
const (
	ReasonAlertsDeliverable = "Deliverable"
	ReasonNoMailServer      = "NoMailServer"
	ReasonSecretUnusable    = "SecretUnusable"
	ReasonDeliveryFailing   = "DeliveryFailing"
)

// Reasons of ConditionReconciling and ConditionStalled, beside those of Accepted,
// Programmed and Ready, which say what is waited for or stands in the way.
const (
	ReasonReconciled  = "Reconciled"
	ReasonReconciling = "Reconciling"
	ReasonStalled     = "Stalled"
	// ReasonPending is that of an object that nobody has looked at yet. The API server
	// says so in new objects, by the defaults of their statuses.
	ReasonPending = "Pending"
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
	EventBudgetExhausted  = "BudgetExhausted"
	EventBudgetRecovered  = "BudgetRecovered"
	EventOvercommitted    = "Overcommitted"
	EventGranted          = "Granted"
	EventGrantExpired     = "GrantExpired"
	EventDriftFound       = "DriftFound"
	EventStoreLost        = "StoreLost"
	EventStoreBack        = "StoreBack"
)
