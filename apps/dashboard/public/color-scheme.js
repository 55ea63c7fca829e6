// Sets light or dark before the first paint. A file of its own, because the CSP allows no inline script.
(function () {
  var chosen = localStorage.getItem('mantine-color-scheme-value') || 'auto';
  var dark = chosen === 'dark' || (chosen === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();
