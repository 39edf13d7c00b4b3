// Before anything is painted: the theme that was chosen here, if any was.
const chosen = localStorage.getItem('headgate-theme');
if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset['theme'] = chosen;
