/* What to do about the codes that jobs end or wait with (docs/API.md). Only
 * what the hub's own words do not say already. */
export const CURES = {
	step_failed: 'The end of its log says why; it is below.',
	step_timeout: 'Give the step a higher timeoutSeconds, or look in the log for what it waited for.',
	out_of_memory: 'Give the job more memory (resources.memory), or let it run less at a time.',
	job_timeout: 'Give the job a higher timeoutSeconds, or look in the log for what it waited for.',
	lease_expired: 'The proxy that opened this session drove it no longer: look at the runner and at its connection to the hub.',
	engine_restarted: 'A job whose first step has begun is never run a second time by itself. Retry it if it may be repeated.',
	container_died: 'Something outside the hub ended the container. Retry the job if it may be repeated.',
	container_lost: 'The container ended while the hub was away. Retry the job if it may be repeated.',
	agent_silent: 'The container did not answer after a restart of the hub. Retry the job if it may be repeated.',
	image_not_found: 'Pull or build the image on the host, or set RUNNER_PULL_POLICY to if-missing.',
	image_pull_failed: 'Check the name of the image, the registry, and the credentials for it.',
	network_not_allowed: 'Ask for the configured network, or for none.',
	env_too_large: 'Put what is large into a file of the repository.',
	secrets_missing: 'Delegate the job again, with its secrets.',
	capacity: 'It starts when a running job ends. More slots: RUNNERHUB_SLOTS.',
	memory: 'It starts when running jobs free memory.',
	engine_down: 'runnerhub doctor on the hub\'s machine tells what is wrong with the engine.',
	disk_full: 'Free some space below the hub\'s state directory.',
	queue_paused: 'An administrator paused the queue: runnerhub queue resume.',
	queue_draining: 'An administrator is emptying the hub: runnerhub queue resume.',
};
