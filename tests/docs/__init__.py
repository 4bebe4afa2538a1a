"""What keeps the documentation true: pages made from the code, links for the site, the commands and who runs them."""
