package api_test

import (
	"slices"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/discovery"
)

// exampleBoot is the boot that the examples of openapi.yaml speak of.
const exampleBoot = "01K7Z4V2Q1"

// at is a target that needs nothing but a fleet of three.
func at(target string) func(h *house, agent string) called {
	return func(h *house, agent string) called {
		h.fleet(agent, "default", "scout-1", "scout-2")
		return called{target: target}
	}
}

// of is a target below an agent with a fleet of three.
func of(below string) func(h *house, agent string) called {
	return func(h *house, agent string) called {
		h.fleet(agent, "default", "scout-1", "scout-2")
		return called{target: "/v1/agents/" + agent + below}
	}
}

// ofBoot is a target below an occurrence that runs with the boot of the examples.
func ofBoot(occurrence, below string) func(h *house, agent string) called {
	return func(h *house, agent string) called {
		h.register(agent, occurrence, exampleBoot, discovery.Work)
		return called{target: occurrencePath(agent, occurrence) + below}
	}
}

// ofRollout is a target below a rollout.
func ofRollout(below string, arrange func(h *house, agent string) api.Rollout) func(h *house, agent string) called {
	return func(h *house, agent string) called {
		r := arrange(h, agent)
		return called{target: rolloutPath(r) + below, unknown: map[string]any{}}
	}
}

// ofVersion is the same where the body says which version of the rollout is meant.
func ofVersion(below string, arrange func(h *house, agent string) api.Rollout) func(h *house, agent string) called {
	return func(h *house, agent string) called {
		r := h.read(arrange(h, agent))
		return called{target: rolloutPath(r) + below, unknown: map[string]any{"version": r.Version}}
	}
}

func deciding(h *house, agent string) api.Rollout {
	h.register(agent, "default", exampleBoot, discovery.Work)
	h.fleet(agent, "scout-1", "scout-2", "scout-3")
	return h.shutdown(agent, "")
}

func rolling(h *house, agent string) api.Rollout {
	h.fleet(agent, "default", "scout-1", "scout-2", "scout-3")
	return h.shutdown(agent, `,"consent":"instant"`)
}

func paused(h *house, agent string) api.Rollout { return h.command(rolling(h, agent), "pause", "") }

func halted(h *house, agent string) api.Rollout {
	h.fleet(agent, "default", "scout-1")
	return h.halted(agent)
}

// beyondTwo is a rollout whose second wave has started.
func beyondTwo(h *house, agent string) api.Rollout {
	h.fleet(agent, "default", "scout-1", "scout-2")
	r := h.rolling(agent, `{"group":"a","count":1},{"group":"b","count":1},{"group":"c","rest":true,"delay":"1h"}`)
	h.stop(agent, "default")
	return r
}

func scenes() []scene {
	return slices.Concat(agentScenes(), occurrenceScenes(), requestScenes(), rolloutScenes(), commandScenes(), auditScenes(),
		serviceScenes(), emergencyScenes())
}

func agentScenes() []scene {
	return []scene{
		{"ListAgents", "", 200, at("/v1/agents")},
		{"GetAgent", "", 200, of("")},
		{"GetAgent", "", 404, func(*house, string) called { return called{target: "/v1/agents/nobody"} }},
		{"PutAgent", "settings", 200, of("")},
		{"PutAgent", "", 200, of("")},
		{"GetPlan", "", 200, of("/plan")},
		{"GetPlan", "", 200, of("/plan?kind=wakeup")},
		{"GetSharedTask", "", 200, of("/shared-tasks/wakeup")},
		{"GetSharedTask", "", 200, func(h *house, agent string) called {
			deciding(h, agent)
			return called{target: "/v1/agents/" + agent + "/shared-tasks/shutdown?within=1h"}
		}},
		{"GetSharedTask", "", 200, func(h *house, agent string) called {
			rolling(h, agent)
			return called{target: "/v1/agents/" + agent + "/shared-tasks/shutdown"}
		}},
		{"ReleaseAgent", "release", 200, of("/release")},
	}
}

func occurrenceScenes() []scene {
	return []scene{
		{"ListOccurrences", "", 200, of("/occurrences?liveness=live&group=explorer&limit=1")},
		{"ListOccurrences", "", 200, of("/occurrences?limit=1")},
		{"GetOccurrence", "", 200, of("/occurrences/default")},
		{"RegisterOccurrence", "registration", 201, of("/occurrences/new")},
		{"RegisterOccurrence", "registration", 200, ofBoot("scout-1", "")},
		{"Heartbeat", "work", 200, ofBoot("scout-1", "/heartbeats")},
		{"Heartbeat", "work", 200, func(h *house, agent string) called {
			h.register(agent, "default", exampleBoot, discovery.Work)
			h.shutdown(agent, "")
			return called{target: occurrencePath(agent, "default") + "/heartbeats"}
		}},
		{"Heartbeat", "stopped", 200, ofBoot("scout-1", "/heartbeats")},
		{"PollInstructions", "", 200, ofBoot("scout-1", "/instructions?boot_id="+exampleBoot)},
		{"PollInstructions", "", 200, func(h *house, agent string) called {
			rolling(h, agent)
			return called{target: pollPath(agent, "default") + "&wait=1m"}
		}},
		{"PollInstructions", "", 200, func(h *house, agent string) called {
			beyondTwo(h, agent)
			if told := h.told(agent, "scout-1"); len(told.PeerResults) != 1 || told.PeerResults[0].MedianTimeToReach == nil {
				h.t.Errorf("what is told of the first wave: %+v", told)
			}
			return called{target: pollPath(agent, "scout-1")}
		}},
		{"AcknowledgeInstruction", "boot", 200, func(h *house, agent string) called {
			h.register(agent, "default", exampleBoot, discovery.Work)
			h.shutdown(agent, "")
			list := get[api.InstructionList](h, occurrencePath(agent, "default")+"/instructions?boot_id="+exampleBoot)
			return called{target: occurrencePath(agent, "default") + "/instructions/" + list.Instructions[0].InstructionID + "/acknowledgement"}
		}},
		{"DeregisterOccurrence", "", 204, of("/occurrences/scout-1")},
		{"DeregisterOccurrence", "", 204, of("/occurrences/scout-1?boot_id=boot-scout-1")},
	}
}

func requestScenes() []scene {
	asking := func(state discovery.State, others ...string) func(h *house, agent string) called {
		return func(h *house, agent string) called {
			h.fleet(agent, others...)
			h.register(agent, "scout-1", exampleBoot, state)
			return called{target: "/v1/agents/" + agent + "/wakeups"}
		}
	}
	return []scene{
		{"RequestWakeup", "occurrence", 201, asking(discovery.Wakeup)},
		{"RequestWakeup", "occurrence", 200, asking(discovery.Work)},
		{"RequestWakeup", "occurrence", 200, func(h *house, agent string) called {
			h.register(agent, "default", "boot-default", discovery.Wakeup)
			post[api.WakeupAnswer](h, 201, "/v1/agents/"+agent+"/wakeups", `{"occurrence_id":"default","boot_id":"boot-default"}`)
			return asking(discovery.Wakeup)(h, agent)
		}},
		{"RequestWakeup", "operator", 201, asking(discovery.Wakeup, "default")},
		{"RequestShutdown", "plain", 201, of("/shutdowns")},
		{"RequestShutdown", "full", 201, of("/shutdowns")},
		{"RequestShutdown", "plain", 409, func(h *house, agent string) called {
			rolling(h, agent)
			return called{target: "/v1/agents/" + agent + "/shutdowns"}
		}},
	}
}

func rolloutScenes() []scene {
	return []scene{
		{"ListRollouts", "", 200, at("/v1/rollouts?kind=shutdown&state=rolling&limit=1")},
		{"ListRollouts", "", 200, at("/v1/rollouts")},
		{"GetRollout", "", 200, ofRollout("", deciding)},
		{"GetRollout", "", 200, ofRollout("", rolling)},
		{"GetRollout", "", 200, ofRollout("", paused)},
		{"GetRollout", "", 200, ofRollout("", halted)},
		{"GetRollout", "", 200, ofRollout("", beyondTwo)},
		{"GetRollout", "", 200, ofRollout("", func(h *house, agent string) api.Rollout { return h.command(rolling(h, agent), "abort", "") })},
		{"GetRollout", "", 304, func(h *house, agent string) called {
			r := rolling(h, agent)
			tag := h.want(200, "GET", rolloutPath(r), "").Header().Get("ETag")
			return called{target: rolloutPath(r), headers: []string{"If-None-Match: " + tag}}
		}},
		{"ClaimDecision", "claim", 200, ofRollout("/claim", deciding)},
		{"DecideRollout", "operator", 200, ofRollout("/decision", deciding)},
		{"DecideRollout", "occurrence", 409, ofRollout("/decision", deciding)},
		{"DecideRollout", "occurrence", 200, func(h *house, agent string) called {
			r := deciding(h, agent)
			token := h.claim(r, "default", exampleBoot)
			return called{target: rolloutPath(r) + "/decision", unknown: map[string]any{"claim_token": token}}
		}},
	}
}

func commandScenes() []scene {
	return []scene{
		{"PauseRollout", "pause", 200, ofVersion("/pause", rolling)},
		{"PauseRollout", "pause", 200, ofRollout("/pause", paused)},
		{"PauseRollout", "pause", 409, ofRollout("/pause", rolling)},
		{"ResumeRollout", "resume", 200, ofVersion("/resume", paused)},
		{"PromoteRollout", "promote", 200, ofVersion("/promote", beyondTwo)},
		{"PromoteRollout", "promote", 409, ofVersion("/promote", deciding)},
		{"RetryRollout", "retry", 200, ofVersion("/retry", halted)},
		{"RetryRollout", "retry", 409, func(h *house, agent string) called {
			r := halted(h, agent)
			h.unreachable(agent, "default")
			return ofVersion("/retry", func(*house, string) api.Rollout { return r })(h, agent)
		}},
		{"AbortRollout", "abort", 200, ofRollout("/abort", rolling)},
	}
}

func auditScenes() []scene {
	return []scene{
		{"ListAgentEvents", "", 200, of("/events")},
		{"ListAgentEvents", "", 200, of("/events?after=1&limit=1")},
		{"ListRolloutEvents", "", 200, ofRollout("/events", rolling)},
		{"ListIncidents", "", 200, at("/v1/incidents")},
		{"ResolveIncident", "resolve", 200, func(h *house, agent string) called {
			rolling(h, agent)
			return called{target: "/v1/incidents/" + h.incident(agent, "default").IncidentID + "/resolve"}
		}},
		{"ListIncidents", "", 200, func(h *house, agent string) called {
			rolling(h, agent)
			h.incident(agent, "default")
			return called{target: "/v1/incidents?state=open"}
		}},
	}
}

func serviceScenes() []scene {
	return []scene{
		{"GetHealth", "", 200, at("/healthz")},
		{"GetReadiness", "", 200, at("/readyz")},
		{"GetMetrics", "", 200, at("/metrics")},
		{"GetOpenAPI", "", 200, at("/openapi.yaml")},
		{"GetWebhookKeys", "", 200, at("/.well-known/webhook-keys")},
	}
}

// The emergency stop comes last: it stops all the agents of the other scenes.
func emergencyScenes() []scene {
	return []scene{
		{"EmergencyShutdown", "signed", 403, at("/v1/emergency/shutdown")},
		{"EmergencyShutdown", "drill", 422, at("/v1/emergency/shutdown")},
		{"EmergencyShutdown", "operator", 202, at("/v1/emergency/shutdown")},
		{"EmergencyShutdown", "operator", 202, at("/v1/emergency/shutdown")},
		{"ListRollouts", "", 200, at("/v1/rollouts?kind=emergency")},
		{"GetAgent", "", 200, of("")},
		{"ListAgents", "", 200, at("/v1/agents")},
		{"RequestShutdown", "plain", 409, of("/shutdowns")},
		{"ReleaseAll", "release", 200, at("/v1/emergency/release")},
		{"ReleaseAll", "release", 200, at("/v1/emergency/release")},
	}
}
