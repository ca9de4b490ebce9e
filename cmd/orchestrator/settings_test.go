package main

import (
	"os"
	"regexp"
	"testing"
)

// TestTheImagesSettingsAreTaken: what Dockerfile and docker-compose.yml set, this
// version has (rule 11.1 stops it else).
func TestTheImagesSettingsAreTaken(t *testing.T) {
	for file, assignment := range map[string]*regexp.Regexp{
		"../../Dockerfile":         regexp.MustCompile(`\b((?:ORCHESTRATOR|ENABLE|OTEL)_[A-Z_]+)=(\S+)`),
		"../../docker-compose.yml": regexp.MustCompile(`\b((?:ORCHESTRATOR|ENABLE|OTEL)_[A-Z_]+): (\S+)`),
	} {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text = regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAll(text, nil)
			found := assignment.FindAllStringSubmatch(string(text), -1)
			if len(found) == 0 {
				t.Fatal("it sets nothing")
			}
			for _, x := range found {
				t.Setenv(x[1], x[2])
			}
			if _, err := readSettings(nil); err != nil {
				t.Error(err)
			}
		})
	}
}
