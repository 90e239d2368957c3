package pages_test

import (
	"net/http"
	"testing"
	"time"
)

// BenchmarkBudgets has 10,000 TenantBudgets, and measures the console's processor time for each page of who sees
// all of them, how long that page is, and the processor time of a second in which somebody watches Costs live and
// nothing is new.
func BenchmarkBudgets(b *testing.B) {
	makeGroup(b, 10_000)
	for _, page := range []struct {
		who  person
		path string
	}{
		{platform, "/costs?tenant=research"}, {platform, "/costs?tenant=holding"}, {greta, "/costs"}, {greta, "/costs?tenant=tenant-00042"}, {greta, "/usage"},
		{greta, "/budgets"}, {platform, "/api/ai/budgets"}, {platform, "/budgets?tenant=research"}, {platform, "/calls?tenant=holding"}, {platform, "/alerts?tenant=holding"}, {platform, "/requests?tenant=holding"},
		{platform, "/keys?tenant=holding"}, {platform, "/health"}, {platform, "/budgets/limits?tenant=holding"},
	} {
		b.Run(page.who.name+page.path, func(b *testing.B) { benchmarkPage(b, page.who, page.path) })
	}
	for name, path := range map[string]string{"one-tenant": "research", "all-tenants": "holding"} {
		b.Run("live/"+name, func(b *testing.B) {
			told := startBrowsers(b, []watching{{"/costs/live?tenant=" + path, platform.token(), "en"}})
			<-told
			const idle = 10 * time.Second
			used := processorTime(b)
			time.Sleep(idle)
			used = processorTime(b) - used
			b.ReportMetric(float64(used.Microseconds())/1000/idle.Seconds(), "cpu-ms/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func benchmarkPage(b *testing.B, who person, path string) {
	b.Helper()
	token, length, times := who.token(), 0, 0
	used := processorTime(b)
	for b.Loop() {
		status, body, _ := get(b, path, token, "en")
		if status != http.StatusOK {
			b.Fatalf("%d %.300s", status, body)
		}
		length, times = len(body), times+1
	}
	used = processorTime(b) - used
	b.ReportMetric(float64(used.Microseconds())/1000/float64(times), "cpu-ms/page")
	b.ReportMetric(float64(length)/1024, "KiB/page")
}
