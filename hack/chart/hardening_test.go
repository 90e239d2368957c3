package chart_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// hardening is what every pod must be.
var hardening = map[string]func(pod corev1.PodSpec, c corev1.Container) bool{
	"runs as a user of its own": func(pod corev1.PodSpec, _ corev1.Container) bool {
		return ptr.Deref(pod.SecurityContext.RunAsNonRoot, false) && ptr.Deref(pod.SecurityContext.RunAsUser, 0) > 0
	},
	"has the runtime's seccomp profile": func(pod corev1.PodSpec, _ corev1.Container) bool {
		return pod.SecurityContext.SeccompProfile != nil && pod.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault
	},
	"cannot gain privileges": func(_ corev1.PodSpec, c corev1.Container) bool {
		return !ptr.Deref(c.SecurityContext.AllowPrivilegeEscalation, true) && !ptr.Deref(c.SecurityContext.Privileged, false)
	},
	"has no capabilities": func(_ corev1.PodSpec, c corev1.Container) bool {
		return len(c.SecurityContext.Capabilities.Drop) == 1 && c.SecurityContext.Capabilities.Drop[0] == "ALL" && len(c.SecurityContext.Capabilities.Add) == 0
	},
	"cannot write to its image": func(_ corev1.PodSpec, c corev1.Container) bool {
		return ptr.Deref(c.SecurityContext.ReadOnlyRootFilesystem, false)
	},
	"is not on the node's network, nor sees its processes": func(pod corev1.PodSpec, _ corev1.Container) bool {
		return !pod.HostNetwork && !pod.HostPID && !pod.HostIPC
	},
	"mounts nothing of the node": func(pod corev1.PodSpec, _ corev1.Container) bool {
		for _, volume := range pod.Volumes {
			if volume.HostPath != nil {
				return false
			}
		}
		return true
	},
	"says whether it needs a token": func(pod corev1.PodSpec, _ corev1.Container) bool { return pod.AutomountServiceAccountToken != nil },
	"asks for what it needs": func(_ corev1.PodSpec, c corev1.Container) bool {
		return !c.Resources.Requests.Cpu().IsZero() && !c.Resources.Requests.Memory().IsZero()
	},
	"has a limit of memory": func(_ corev1.PodSpec, c corev1.Container) bool { return !c.Resources.Limits.Memory().IsZero() },
	"names a version": func(_ corev1.PodSpec, c corev1.Container) bool {
		return strings.Contains(c.Image, ":") && !strings.HasSuffix(c.Image, ":latest")
	},
	"is watched": func(pod corev1.PodSpec, c corev1.Container) bool {
		return pod.RestartPolicy == corev1.RestartPolicyNever || c.ReadinessProbe != nil && c.LivenessProbe != nil
	},
	"has no secret in its arguments or variables": func(_ corev1.PodSpec, c corev1.Container) bool {
		for _, variable := range c.Env {
			if strings.Contains(variable.Value, "://") {
				return false
			}
		}
		return !strings.Contains(strings.Join(c.Args, " "), "password=")
	},
}

// TestHardening: every pod of chart and kustomizations is hardened as each row says, and each
// Deployment has what its availability needs.
func TestHardening(t *testing.T) {
	for name, rendered := range map[string]objects{
		"kustomizations": kustomize(t, root+"config/default", root+"config/console"),
		"chart":          chart(t, options),
	} {
		for key, object := range rendered {
			pod, found := podOf(t, object)
			if !found {
				continue
			}
			for what, holds := range hardening {
				if len(pod.Containers) != 1 || !holds(pod, pod.Containers[0]) {
					t.Errorf("%s: of %s it is not so that it %s", name, key, what)
				}
			}
			if object.GetKind() == "Deployment" {
				if err := isAvailable(rendered, object, pod); err != nil {
					t.Errorf("%s: %s: %v", name, key, err)
				}
			}
		}
	}
}

func podOf(t *testing.T, object *unstructured.Unstructured) (pod corev1.PodSpec, found bool) {
	t.Helper()
	convert := runtime.DefaultUnstructuredConverter.FromUnstructured
	switch object.GetKind() {
	case "Pod":
		var typed corev1.Pod
		testkit.Must(t, convert(object.Object, &typed))
		return typed.Spec, true
	case "Deployment", "StatefulSet":
		var typed appsv1.Deployment // of whose pods both say the same
		testkit.Must(t, convert(map[string]any{"spec": map[string]any{"template": object.Object["spec"].(map[string]any)["template"]}}, &typed))
		return typed.Spec.Template.Spec, true
	}
	return corev1.PodSpec{}, false
}

// isAvailable fails if a Deployment lacks what keeps it available, or if its GOMEMLIMIT does not fit
// its memory limit.
func isAvailable(rendered objects, object *unstructured.Unstructured, pod corev1.PodSpec) error {
	name := object.GetName()
	for _, kind := range []string{"PodDisruptionBudget", "NetworkPolicy"} {
		if rendered[kind+" "+name] == nil {
			return fmt.Errorf("no %s", kind)
		}
	}
	if len(pod.TopologySpreadConstraints) == 0 || len(pod.TopologySpreadConstraints[0].MatchLabelKeys) == 0 {
		return fmt.Errorf("not spread over nodes by version")
	}
	limit := pod.Containers[0].Resources.Limits.Memory().Value() >> 20
	for _, variable := range pod.Containers[0].Env {
		if variable.Name == "GOMEMLIMIT" {
			mebibytes, err := strconv.ParseInt(strings.TrimSuffix(variable.Value, "MiB"), 10, 64)
			if err != nil || mebibytes != limit*9/10 {
				return fmt.Errorf("GOMEMLIMIT is %s, want nine tenths of %d MiB", variable.Value, limit)
			}
			return nil
		}
	}
	return fmt.Errorf("no GOMEMLIMIT")
}
