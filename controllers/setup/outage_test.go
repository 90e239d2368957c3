package setup_test

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/redisclient"
)

var _ = Describe("An outage of a store", func() {
	It("is told once, and its end once, whichever manager leads", func(ctx SpecContext) {
		manager := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "bursar-system", Name: "bursar-manager"}}
		told := func(reason string) func() []string {
			return func() []string {
				_ = get(ctx, manager) // there is none before the first outage
				return eventsOf(ctx, manager, reason)()
			}
		}
		lost, back := told("StoreLost"), told("StoreBack")
		before, backBefore := len(lost()), len(back())
		stopRedis()
		Eventually(ctx, lost).WithTimeout(20 * time.Second).Should(HaveLen(before + 1))
		Expect(lost()).To(ContainElement(HavePrefix("Warning: Redis has been out of reach since ")))
		stopManager()
		stopManager = startManager()
		Consistently(ctx, lost).WithTimeout(5 * time.Second).Should(HaveLen(before + 1))

		restartRedis(ctx)
		Eventually(ctx, back).WithTimeout(20 * time.Second).Should(HaveLen(backBefore + 1))
		Expect(back()).To(ContainElement(HavePrefix("Normal: Redis answers again; it had been out of reach since ")))
		Eventually(ctx, func(g Gomega) { // an Event is there before what it follows from is written
			g.Expect(get(ctx, manager)).To(Succeed())
			g.Expect(manager.Data).NotTo(HaveKey("Redis"))
		}).Should(Succeed())
		Consistently(ctx, back).WithTimeout(2 * time.Second).Should(HaveLen(backBefore + 1))

		By("refusing writes, because its memory is full")
		Expect(redisClient.ConfigSet(ctx, "maxmemory", "1").Err()).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { _ = redisClient.ConfigSet(ctx, "maxmemory", "0").Err() })
		Eventually(ctx, lost).WithTimeout(20 * time.Second).Should(ContainElement(And(
			HavePrefix("Warning: Redis has refused to be written to since "), ContainSubstring("OOM command not allowed"))))
		Expect(redisClient.ConfigSet(ctx, "maxmemory", "0").Err()).To(Succeed())
		Eventually(ctx, back).WithTimeout(20 * time.Second).Should(HaveLen(backBefore + 2))

		By("being rebuilt: until that is done, it would take what another test spends for spent before")
		Eventually(ctx, epochIsValid(ctx)).Should(BeTrue())
	})
})

// epochIsValid reports whether the epoch is valid in this run of Redis.
func epochIsValid(ctx context.Context) func() (bool, error) {
	return func() (bool, error) {
		server, err := redisclient.Describe(ctx, redisClient)
		if err != nil {
			return false, err
		}
		raw, err := redisClient.Get(ctx, limiterv1.EpochKey).Bytes()
		if err != nil {
			return false, err
		}
		var epoch limiterv1.Epoch
		err = json.Unmarshal(raw, &epoch)
		return epoch.ValidIn(server.Run), err
	}
}
