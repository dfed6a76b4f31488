/* Light, dark, or as the machine has it. Kept in this browser. */
const KEPT = 'runnerhub.theme';
const NEXT = {auto: 'light', light: 'dark', dark: 'auto'};

export function theme() {
	const kept = localStorage.getItem(KEPT);

	return kept in NEXT ? kept : 'auto';
}

export function applyTheme(name = theme()) {
	if (name === 'auto')
		delete document.documentElement.dataset.theme;
	else
		document.documentElement.dataset.theme = name;
}

export function nextTheme() {
	const name = NEXT[theme()];

	if (name === 'auto')
		localStorage.removeItem(KEPT);
	else
		localStorage.setItem(KEPT, name);
	applyTheme(name);
	return name;
}
