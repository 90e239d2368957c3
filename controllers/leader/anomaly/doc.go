// Package anomaly looks for what is unusual, for as long as the manager leads: spending far above
// what is usual for the hour and weekday, many refused calls, and APIKeys that nobody uses. Each
// is an alert, where spec.alerts.anomalies of a TenantBudget asks for it.
//
// It reads the sums of what was used, and never a single call. It must never say the same twice
// a day.
package anomaly
