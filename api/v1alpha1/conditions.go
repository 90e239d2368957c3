package v1alpha1

// The types of condition.
const (
	// ConditionReady is True when the object is enforced as written. An exhausted budget or an open breaker does not affect it: they report spending, not health.
	ConditionReady = "Ready"
	// ConditionAccepted is True when the object is valid and conflicts with no older object. An object that is not accepted changes nothing that is enforced.
	ConditionAccepted = "Accepted"
	// ConditionProgrammed is True when at least one enforcer is live, every live enforcer runs a configuration that contains the observed generation, and, for budgets and policies, a probe was admitted by the limits as written.
	ConditionProgrammed = "Programmed"
	// ConditionBreakerOpen is True while the breaker refuses the tenant's paid calls.
	ConditionBreakerOpen = "BreakerOpen"
	// ConditionExhausted is True while a limit of the tenant or of one of its ancestors is spent in full, so that no paid call fits. Limits with tiers or models, and those with per: User, do not count.
	ConditionExhausted = "Exhausted"
	// ConditionOvercommitted is True while the limits of the children of a budget together exceed a limit of the budget. That is allowed, but the limit will refuse some of their calls.
	ConditionOvercommitted = "Overcommitted"
	// ConditionExpired is True when the time of a BudgetGrant or an APIKey is over. The object is kept as a record and stays Ready, because it is enforced as written.
	ConditionExpired = "Expired"
	// ConditionRecorded is True when a BudgetGrant is on record in Postgres. A grant that is not does not count: no money is granted that nobody can look up.
	ConditionRecorded = "Recorded"
	// ConditionAlertsFailing is True while alerts cannot be delivered to someone in spec.alerts; the message says why. It is present only if spec.alerts is set, and does not affect Ready, because enforcement does not depend on alerts.
	ConditionAlertsFailing = "AlertsFailing"
	// ConditionLedgerUnreachable is True while an enforcer cannot write calls to the ledger in Postgres; the message says what to do. It does not affect Ready, because calls are admitted and counted without Postgres, and recorded when it is back.
	ConditionLedgerUnreachable = "LedgerUnreachable"
	// ConditionReachable is True when calls to a ModelProvider get answers, as far as the enforcers have seen, and False when they do not: the reason and the message say what stands in the way. Unknown until a call was made. It does not affect Ready.
	ConditionReachable = "Reachable"
	// ConditionCredentialValid is True when a ModelProvider accepts Bursar's API key, as far as the enforcers have seen. It is False when the file with the key is missing, or the provider rejects the key; then Ready is False, too, unless the key is only denied some models.
	ConditionCredentialValid = "CredentialValid"
	// ConditionWarning is True while something in the spec is valid and looks like a mistake: the message says what, where, and what to write instead. It does not affect Ready, because the object is enforced as written.
	ConditionWarning = "Warning"
	// ConditionKeysFetched is True when the signing keys of an IdentityProvider's issuer were fetched, or stand in spec.issuer.jwks. While it is False, the keys that were fetched last stay in force; without any, every token of the issuer is refused, and the IdentityProvider is not Ready.
	ConditionKeysFetched = "KeysFetched"
	// ConditionReconciling is True while the object is not yet enforced as written, and only time or other objects are needed.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the object will not be enforced as written until somebody changes it, or what blocks it.
	ConditionStalled = "Stalled"
)

// ReasonInternalError is the reason of any condition that is Unknown because the manager
// failed to find out: its log says why.
const ReasonInternalError = "InternalError"

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
	ReasonAncestorRequired      = "AncestorRequired"
	// ReasonIdentityProviderNotFound is the reason of a Membership that names an IdentityProvider which is not there, or does not allow the Membership's namespace to name anybody.
	ReasonIdentityProviderNotFound    = "IdentityProviderNotFound"
	ReasonIdentityProviderNotAccepted = "IdentityProviderNotAccepted"
	ReasonMemberNotAllowed            = "MemberNotAllowed"
	// ReasonHandedOver is also the reason of ConditionReady: the successor governs the tenant, and nothing is left to do but to delete the object.
	ReasonHandedOver = "HandedOver"
)

// Reasons of ConditionProgrammed.
const (
	ReasonProgrammed       = "Programmed"
	ReasonNotAccepted      = "NotAccepted"
	ReasonEnforcersPending = "EnforcersPending"
	ReasonNoEnforcers      = "NoEnforcers"
	ReasonStoreUnavailable = "StoreUnavailable"
	ReasonLimiterSuspended = "LimiterSuspended"
	ReasonProbePending     = "ProbePending"
	ReasonProbeFailed      = "ProbeFailed"
	ReasonTooManyLimits    = "TooManyLimits"
	ReasonKeysNotFetched   = "KeysNotFetched"
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

// ReasonRecorded is a reason of ConditionRecorded, beside ReasonNotAccepted and
// ReasonStoreUnavailable.
const ReasonRecorded = "Recorded"

// Reasons of ConditionKeysFetched, beside ReasonNotAccepted and ReasonUnknown.
const (
	ReasonKeysFetched     = "Fetched"
	ReasonKeysInline      = "Inline"
	ReasonKeysFetchFailed = "FetchFailed"
)

// Reasons of ConditionAlertsFailing, beside ReasonUnknown.
const (
	ReasonAlertsDeliverable = "Deliverable"
	ReasonNoMailServer      = "NoMailServer"
	ReasonSecretUnusable    = "SecretUnusable"
	ReasonDeliveryFailing   = "DeliveryFailing"
)

// Reasons of ConditionLedgerUnreachable, beside ReasonUnknown.
const (
	ReasonLedgerReached       = "LedgerReached"
	ReasonLedgerLoginFailed   = "LoginFailed"
	ReasonLedgerRightsMissing = "RightsMissing"
	ReasonLedgerUnreachable   = "Unreachable"
)

// Reasons of ConditionReachable, beside ReasonUntried.
const (
	ReasonAnswered           = "Answered"
	ReasonNotFound           = "NotFound"
	ReasonHostNotFound       = "HostNotFound"
	ReasonConnectionRefused  = "ConnectionRefused"
	ReasonConnectionTimedOut = "ConnectionTimedOut"
	ReasonConnectionFailed   = "ConnectionFailed"
	ReasonTLSFailed          = "TLSFailed"
)

// Reasons of ConditionCredentialValid.
const (
	ReasonKeyAccepted           = "KeyAccepted"
	ReasonKeyNotNeeded          = "KeyNotNeeded"
	ReasonCredentialFileMissing = "CredentialFileMissing"
	ReasonKeyRejected           = "KeyRejected"
	ReasonKeyForbidden          = "KeyForbidden"
	// ReasonUntried is the reason of either condition while no enforcer has called the provider.
	ReasonUntried = "Untried"
)

// Reasons of ConditionWarning.
const (
	ReasonNoWarnings       = "NoWarnings"
	ReasonPossibleMistakes = "PossibleMistakes"
)

// Reasons of ConditionReconciling and ConditionStalled, beside those of Accepted,
// Programmed and Ready, which say what is waited for or stands in the way.
const (
	ReasonReconciled  = "Reconciled"
	ReasonReconciling = "Reconciling"
	ReasonStalled     = "Stalled"
	// ReasonPending is the reason of a new object that no controller has processed yet. The API server sets it, by the defaults of the status.
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
	EventOrphanWithdrawn  = "OrphanWithdrawn"
	EventKeysFetchFailed  = "KeysFetchFailed"
	EventKeysFetched      = "KeysFetched"
	EventKeysChanged      = "KeysChanged"
	EventStoreLost        = "StoreLost"
	EventStoreBack        = "StoreBack"
	EventAlertsFailing    = "AlertsFailing"
	EventAlertsDelivered  = "AlertsDelivered"
	EventUnreachable      = "Unreachable"
	EventReachable        = "Reachable"
	EventKeyUnusable      = "KeyUnusable"
	EventKeyUsable        = "KeyUsable"
)
